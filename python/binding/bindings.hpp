#pragma once

#include <pybind11/pybind11.h>

/// What module.cpp registers, for float32 and float64 each.
namespace peephole::binding {

void bind_options(pybind11::module_& module);
void bind_parameters(pybind11::module_& module);
void bind_tape(pybind11::module_& module);
void bind_lstm(pybind11::module_& module);
/// After bind_lstm, whose classes get further methods.
void bind_functional(pybind11::module_& module);
void bind_network(pybind11::module_& module);
/// After bind_lstm and bind_network, likewise.
void bind_derivatives(pybind11::module_& module);
void bind_stream(pybind11::module_& module);
void bind_sessions(pybind11::module_& module);
void bind_files(pybind11::module_& module);
void bind_ctc(pybind11::module_& module);
void bind_optimisers(pybind11::module_& module);
void bind_runtime(pybind11::module_& module);

}  // namespace peephole::binding
