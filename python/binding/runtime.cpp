#include "peephole/runtime.hpp"

#include <pybind11/stl.h>

#include <algorithm>

#include "bindings.hpp"
#include "options.hpp"

namespace peephole::binding {
namespace {

void set_threads(py::handle threads) {
  const Index count = integer(threads, "num_threads");
  // Out of int's range is out of the core's, too, which says what is in it.
  set_num_threads(static_cast<int>(std::clamp<Index>(count, -1, kMostThreads + 1)));
}

py::dict build_info() {
  py::dict info;
  info["version"] = PEEPHOLE_VERSION;
  info["isa"] = isa();
  info["backend"] = backend();
  info["isas"] = py::cast(isas());
  info["num_threads"] = num_threads();
  info["compiler"] = PEEPHOLE_COMPILER;
  return info;
}

}  // namespace

void bind_runtime(py::module_& module) {
  using namespace py::literals;
  module.def("num_threads", &num_threads);
  module.def("set_num_threads", &set_threads, "num_threads"_a);
  module.def("set_isa", [](py::handle name) { set_isa(text(name, "isa")); }, "name"_a);
  module.def("build_info", &build_info);
}

}  // namespace peephole::binding
