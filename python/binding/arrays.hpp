#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <utility>
#include <vector>

#include "peephole/peephole.hpp"

/// Between Python's objects and the core's views. Whatever comes in is checked here: pybind11's own
/// conversions would name no argument, and some would read out of bounds.
///
/// Numbers are taken in the model's dtype T; other real dtypes, byte orders and strides are
/// converted, as NumPy's same-kind casts do. Everything else is a TypeError.
namespace peephole::binding {

namespace py = pybind11;

using Shape = std::vector<py::ssize_t>;

/// "(3, 5)", "(3,)"
std::string shape_text(const Shape& shape);
Shape shape_of(const py::array& array);

[[noreturn]] void refuse_value(const std::string& argument, const std::string& expected,
                               const std::string& got);
[[noreturn]] void refuse_type(const std::string& argument, const std::string& expected,
                              const std::string& got);
/// "float", "numpy.ndarray": what came, for error messages.
std::string type_text(py::handle object);

/// `object` as a T array, C-contiguous if asked; itself where it is one already.
template <class T>
py::array_t<T> numbers(py::handle object, const std::string& argument, bool c_contiguous);

/// The same, of exactly `shape`, C-contiguous.
template <class T>
py::array_t<T> numbers(py::handle object, const std::string& argument, const Shape& shape);

/// A copy of a dict, to go through: another thread may change the caller's meanwhile.
inline py::dict copy_of(py::handle dict) {
  auto copy = py::reinterpret_steal<py::dict>(PyDict_Copy(dict.ptr()));
  if (!copy) throw py::error_already_set();
  return copy;
}

/// `object` as booleans of exactly `shape`; nothing but bool is taken for one.
py::array_t<bool> booleans(py::handle object, const std::string& argument, const Shape& shape);

/// `object` as integers of any shape, C-contiguous.
py::array_t<Index> integers(py::handle object, const std::string& argument);

/// x of a call: (B, T, F), or (T, F) for a single sequence.
template <class T>
class Sequences {
 public:
  Sequences(py::handle object, const std::string& argument, Index features);

  bool batched() const noexcept { return batched_; }
  Index batch() const noexcept { return view_.batch; }
  Index time() const noexcept { return view_.time; }
  const SequenceView<const T>& view() const noexcept { return view_; }
  const py::array& array() const noexcept { return array_; }

  /// (B, ...) or, for a single sequence, (...).
  Shape shape(Shape rest) const;

 private:
  py::array_t<T> array_;
  SequenceView<const T> view_;
  bool batched_;
};

/// Lengths of a call: None or (B,) integers, copied: another thread may write to the caller's array
/// between the core's check and its use. Their range is the core's to check.
class Lengths {
 public:
  template <class T>
  Lengths(py::handle object, const Sequences<T>& x);

  Span<const Index> span() const noexcept { return values_; }

 private:
  std::vector<Index> values_;
};

/// The shapes of h and c of one layer and direction: (B, P) and (B, H), or (P,) and (H,) for a
/// single sequence.
struct StateShape {
  Shape h, c;
};

/// State (or its gradient) that comes in: None, or one (h, c) per layer and direction.
template <class T>
class StateIn {
 public:
  /// shapes: per layer and direction.
  StateIn(py::handle object, const std::string& argument, const std::vector<StateShape>& shapes);

  Span<const StateView<const T>> span() const noexcept {
    return {views_.data(), static_cast<Index>(views_.size())};
  }
  const std::vector<py::array>& arrays() const noexcept { return arrays_; }

 private:
  std::vector<py::array> arrays_;
  std::vector<StateView<const T>> views_;
};

/// State that goes out: new arrays.
template <class T>
class StateOut {
 public:
  explicit StateOut(const std::vector<StateShape>& shapes);

  Span<const StateView<T>> span() const noexcept {
    return {views_.data(), static_cast<Index>(views_.size())};
  }
  py::tuple tuple() const noexcept { return tuple_; }

 private:
  py::tuple tuple_;
  std::vector<StateView<T>> views_;
};

/// (B, T, F), (T, F) or, with time 1, (B, F): the core's view of a C-contiguous array.
template <class T, class Array>
SequenceView<T> sequence_view(Array&& array, Index batch, Index time) {
  T* data = nullptr;
  if constexpr (std::is_const_v<T>) {
    data = array.data();
  } else {
    data = array.mutable_data();
  }
  return contiguous(data, batch, time, static_cast<Index>(array.shape(array.ndim() - 1)));
}

/// The caller's `out`: writable, C-contiguous, of dtype T and `shape`, apart from all of `inputs`
/// and from the parameters, if there are any to be apart from.
template <class T>
py::array_t<T> output(py::handle object, const std::string& argument, const Shape& shape,
                      const std::vector<std::pair<std::string, py::array>>& inputs,
                      const Parameters<T>* parameters);

}  // namespace peephole::binding
