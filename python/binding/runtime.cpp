#include "peephole/runtime.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "bindings.hpp"
#include "classes.hpp"
#include "options.hpp"

namespace peephole::binding {
namespace {

void set_threads(py::handle threads) {
  const Index count = integer(threads, "num_threads");
  // Out of int's range is out of the core's, too, which says what is in it.
  set_num_threads(static_cast<int>(std::clamp<Index>(count, -1, kMostThreads + 1)));
}

/// nullptr: peephole's own threads.
Executor* executor_of(py::handle object) {
  const std::string name = text(object, "executor");
  if (name == "own") return nullptr;
  if (name == "openmp") return &openmp_executor();
  throw py::value_error("executor: expected \"own\" or \"openmp\", got \"" + name + "\"");
}

/// `with executor(name)`: ScopedExecutor from __enter__ to __exit__.
class ExecutorScope {
 public:
  explicit ExecutorScope(py::handle name) : executor_(executor_of(name)) {}

  void enter() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (scope_) throw std::runtime_error("executor: entered twice");
    scope_.emplace(executor_);
    thread_ = PyThread_get_thread_ident();
  }
  void exit(const py::args&) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (scope_ && thread_ != PyThread_get_thread_ident()) {
      throw std::runtime_error("executor: entered by another thread");
    }
    scope_.reset();
  }

 private:
  Executor* const executor_;
  std::mutex mutex_;  // of what follows; held too shortly for a fork to matter
  std::optional<ScopedExecutor> scope_;
  unsigned long thread_ = 0;
};

py::dict build_info() {
  py::dict info;
  info["version"] = PEEPHOLE_VERSION;
  info["isa"] = isa();
  info["backend"] = backend();
  info["isas"] = py::cast(isas());
  info["num_threads"] = num_threads();
  info["executor"] = executor() == nullptr ? "own" : "openmp";
  info["compiler"] = PEEPHOLE_COMPILER;
  return info;
}

}  // namespace

void bind_runtime(py::module_& module) {
  using namespace py::literals;
  module.def("num_threads", &num_threads);
  module.def("set_num_threads", &set_threads, "num_threads"_a);
  module.def("set_executor", [](py::handle name) { set_executor(executor_of(name)); }, "name"_a);
  new_class<ExecutorScope>(
      module, "executor",
      "A context manager: calls of this thread inside it run on the threads of an executor.\n\n"
      "Args:\n"
      "    name: \"own\" for peephole's threads, \"openmp\" for those of the OpenMP library that "
      "is\n"
      "        loaded, such as PyTorch's.\n\n"
      "Raises:\n"
      "    ValueError, TypeError: For another name.\n"
      "    RuntimeError: If no OpenMP library is loaded, or in a forked process.")
      .def(py::init<py::handle>(), "name"_a)
      .def("__enter__", &ExecutorScope::enter)
      .def("__exit__", &ExecutorScope::exit);
  module.def("set_isa", [](py::handle name) { set_isa(text(name, "isa")); }, "name"_a);
  module.def("build_info", &build_info);
}

}  // namespace peephole::binding

/// By this symbol threadpoolctl recognises the library among those that are loaded.
extern "C" PYBIND11_EXPORT int peephole_core_num_threads() { return peephole::num_threads(); }
