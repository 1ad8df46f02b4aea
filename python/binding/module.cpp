#include "bindings.hpp"

// docs/guide/free-threading.md says what may be called from several threads at once.
PYBIND11_MODULE(_core, module, pybind11::mod_gil_not_used()) {
  module.doc() = "The binding of peephole's C++ core; see _core.pyi.";
  module.attr("__version__") = PEEPHOLE_VERSION;
  peephole::binding::bind_options(module);
  peephole::binding::bind_parameters(module);
  peephole::binding::bind_tape(module);
  peephole::binding::bind_lstm(module);
  peephole::binding::bind_functional(module);
  peephole::binding::bind_network(module);
  peephole::binding::bind_derivatives(module);
  peephole::binding::bind_stream(module);
  peephole::binding::bind_sessions(module);
  peephole::binding::bind_files(module);
  peephole::binding::bind_ctc(module);
  peephole::binding::bind_optimisers(module);
  peephole::binding::bind_runtime(module);
}
