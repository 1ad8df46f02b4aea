#pragma once

#include <pybind11/numpy.h>

#include <memory>
#include <string>

#include "arrays.hpp"

namespace peephole::binding {

/// The parameters of a Python model: the first `count` of a core model's, which `owner` keeps
/// alive.
template <class T>
struct ParametersOf {
  std::shared_ptr<void> owner;
  Parameters<T>* parameters;
  Index count;

  const ParameterSpec& spec(Index i) const {
    return parameters->specs()[static_cast<std::size_t>(i)];
  }
  Shape shape(Index i) const {
    return spec(i).columns == 0 ? Shape{spec(i).rows} : Shape{spec(i).rows, spec(i).columns};
  }
  /// Throws KeyError that lists the names.
  Index find(const std::string& name) const;

  /// A flat block in the parameters' layout, and views of its tensors by name.
  py::array_t<T> new_flat() const { return py::array_t<T>(parameters->flat_size()); }
  py::dict split(const py::array_t<T>& flat) const;
};

}  // namespace peephole::binding
