#pragma once

#include "arrays.hpp"
#include "options.hpp"

/// What the bindings of streams and of pools of sessions have in common: a step takes a
/// microsecond, and arrays that the core can read are taken as they are.
namespace peephole::binding {

inline constexpr int kReady = py::array::c_style | py::detail::npy_api::NPY_ARRAY_ALIGNED_;

/// Whether `array` is of T and lies as the core reads it.
template <class T>
bool ready(py::handle array, int flags) {
  if (!py::isinstance<py::array_t<T>>(array)) return false;
  return (py::detail::array_proxy(array.ptr())->flags & flags) == flags;
}

/// `object` as a C-contiguous T array; itself where it is one already.
template <class T>
py::array_t<T> step_numbers(py::handle object, const char* argument) {
  return ready<T>(object, kReady) ? py::reinterpret_borrow<py::array_t<T>>(object)
                                  : numbers<T>(object, argument, true);
}

/// Steps of sequences that take too little time to be interrupted.
inline constexpr Index kShortCall = 1000;

/// The parameters that a Stream or Sessions was made with: {name: array}, copies.
template <class T, class Made>
py::dict weights_made_with(const Made& made) {
  const auto specs =
      made.has_head() ? parameter_specs(made.config()) : parameter_specs(made.config().lstm);
  const Parameters<T> layout(specs);
  py::dict arrays;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const Shape shape =
        specs[i].columns == 0 ? Shape{specs[i].rows} : Shape{specs[i].rows, specs[i].columns};
    arrays[py::str(specs[i].name)] =
        py::array_t<T>(shape, made.weights() + layout.offset(static_cast<Index>(i)));
  }
  return arrays;
}

/// The options of the model that it was made of.
template <class Made>
py::dict options_made_with(const Made& made) {
  return made.has_head() ? options_of(made.config()) : options_of(made.config().lstm);
}

}  // namespace peephole::binding
