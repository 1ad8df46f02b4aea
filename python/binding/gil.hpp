#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <thread>

namespace peephole::binding {

/// Lets other Python threads run while it exists. Unlike pybind11's gil_scoped_release, it survives
/// the end of the interpreter: Python up to 3.13 then ends a daemon thread that asks for the GIL by
/// pthread_exit(), which unwinds the stack like an exception, and a destructor that passes it on
/// aborts the process. Such a thread sleeps until the process has ended, as Python 3.14 does
/// itself.
class WithoutGil {
 public:
  WithoutGil() : thread_(PyEval_SaveThread()) {}
  ~WithoutGil() {
    try {
      PyEval_RestoreThread(thread_);
    } catch (...) {
      for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    }
  }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* const thread_;
};

}  // namespace peephole::binding
