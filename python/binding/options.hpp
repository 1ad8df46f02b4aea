#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "peephole/config.hpp"

/// Between Python's constructor arguments and the core's configurations.
namespace peephole::binding {

namespace py = pybind11;

/// An int (bool is none) within int64; TypeError or ValueError otherwise.
Index integer(py::handle object, const std::string& argument);
std::string text(py::handle object, const std::string& argument);
bool boolean(py::handle object, const std::string& argument);
double real(py::handle object, const std::string& argument);

/// The options of an LSTM, as keyword arguments; those of a network besides are left to
/// network_config. Unknown ones are a TypeError.
LSTMConfig lstm_config(py::handle input_size, py::handle hidden_sizes, const py::dict& options);
NetworkConfig network_config(py::handle input_size, py::handle hidden_sizes, py::handle output_size,
                             py::dict options);

/// What the constructor would be given to get this again; plain types, fit for JSON.
py::dict options_of(const LSTMConfig& config);
py::dict options_of(const NetworkConfig& config);

}  // namespace peephole::binding
