#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "peephole/config.hpp"

/// Converts between the arguments of Python's constructors and the core's configurations, by the
/// list of peephole/options.hpp.
namespace peephole::binding {

namespace py = pybind11;

/// An int, but not a bool, of at most 63 bits; TypeError or ValueError otherwise.
Index integer(py::handle object, const std::string& argument);
std::string text(py::handle object, const std::string& argument);
bool boolean(py::handle object, const std::string& argument);
double real(py::handle object, const std::string& argument);

/// The configuration of these sizes and keyword arguments; an unknown one is a TypeError.
LSTMConfig lstm_config(py::handle input_size, py::handle hidden_sizes, const py::dict& options);
NetworkConfig network_config(py::handle input_size, py::handle hidden_sizes, py::handle output_size,
                             const py::dict& options);

/// The arguments that give this configuration, as plain types for JSON.
py::dict options_of(const LSTMConfig& config);
py::dict options_of(const NetworkConfig& config);

}  // namespace peephole::binding
