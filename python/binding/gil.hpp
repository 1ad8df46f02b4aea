#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <thread>

#include "peephole/interrupt.hpp"

namespace peephole::binding {

/// Lets other Python threads run while it exists. Unlike pybind11's gil_scoped_release, it survives
/// the end of the interpreter: Python up to 3.13 then ends a daemon thread that asks for the GIL by
/// pthread_exit(), which unwinds the stack like an exception, and a destructor that passes it on
/// aborts the process. Such a thread sleeps until the process has ended, as Python 3.14 does
/// itself.
class WithoutGil {
 public:
  WithoutGil() : thread_(PyEval_SaveThread()) {}
  ~WithoutGil() { take_back(); }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

  /// Calls f() with the GIL.
  template <class F>
  auto with_gil(F&& f) noexcept {
    take_back();
    const auto result = f();
    thread_ = PyEval_SaveThread();
    return result;
  }

 private:
  void take_back() noexcept {
    try {
      PyEval_RestoreThread(thread_);
    } catch (...) {
      for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    }
  }

  PyThreadState* thread_;
};

/// Runs call() without the GIL. Python's signal handlers, such as that of Ctrl-C, run meanwhile; if
/// one raises an exception, the call is stopped and the exception passed on.
template <class Call>
void without_gil(Call&& call) {
  struct Signals final : Interrupt {
    WithoutGil release;
    bool requested() noexcept override {
      return release.with_gil([] { return PyErr_CheckSignals() != 0; });
    }
  };
  bool stopped = false;
  {
    Signals signals;
    const ScopedInterrupt scope(&signals);
    try {
      call();
    } catch (const Interrupted&) {
      // Stream::process returns instead.
    }
    stopped = scope.stopped();
  }
  if (stopped) throw pybind11::error_already_set();
}

}  // namespace peephole::binding
