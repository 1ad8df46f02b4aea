#include "arrays.hpp"

#include <algorithm>
#include <cstdint>

namespace peephole::binding {
namespace {

constexpr int kAligned = py::detail::npy_api::NPY_ARRAY_ALIGNED_;

/// Whether some values of `array` are masked in the sense of numpy.ma. Conversion drops the mask.
bool has_masked_values(const py::array& array) {
  if (Py_TYPE(array.ptr()) == py::detail::npy_api::get().PyArray_Type_) return false;
  // It is not imported here: without it, or while a thread imports it, there are no masks.
  const auto ma = py::reinterpret_steal<py::object>(PyImport_GetModule(py::str("numpy.ma").ptr()));
  if (!ma) {
    if (PyErr_Occurred()) throw py::error_already_set();
    return false;
  }
  return py::hasattr(ma, "MaskedArray") && py::isinstance(array, ma.attr("MaskedArray")) &&
         py::cast<bool>(ma.attr("is_masked")(array));
}

/// `object` by numpy.asarray, whose complaints get the argument's name.
py::array as_array(py::handle object, const std::string& argument, const char* expected) {
  if (py::isinstance<py::array>(object)) {
    const auto array = py::reinterpret_borrow<py::array>(object);
    if (has_masked_values(array)) {
      refuse_type(argument, std::string(expected) + " without masked values", "some masked");
    }
    return array;
  }
  try {
    return py::module_::import("numpy").attr("asarray")(object);
  } catch (py::error_already_set& error) {
    // RuntimeError: a tensor that requires gradients.
    if (error.matches(PyExc_RuntimeError)) {
      refuse_type(argument, expected,
                  type_text(object) + ": " + std::string(py::str(error.value())));
    }
    if (!error.matches(PyExc_ValueError) && !error.matches(PyExc_TypeError)) throw;
    refuse_value(argument, expected, std::string(py::str(error.value())));
  }
}

std::string dtype_text(const py::array& array) {
  return "dtype " + std::string(py::str(array.dtype()));
}

template <class T>
const char* dtype_name() {
  return sizeof(T) == sizeof(float) ? "float32" : "float64";
}

template <class T>
py::array_t<T> converted(const py::array& array, const std::string& argument) {
  constexpr int kFlags = py::array::c_style | py::array::forcecast | kAligned;
  auto result = py::array_t<T, kFlags>::ensure(array);
  if (!result) {
    PyErr_Clear();
    refuse_type(argument, std::string("numbers that convert to ") + dtype_name<T>(),
                dtype_text(array));
  }
  return py::reinterpret_borrow<py::array_t<T>>(result);
}

/// First and one past the last byte that `array` may touch.
std::pair<std::intptr_t, std::intptr_t> extent(const py::array& array) {
  auto first = reinterpret_cast<std::intptr_t>(array.data()), last = first;
  if (array.size() == 0) return {first, first};
  for (py::ssize_t d = 0; d < array.ndim(); ++d) {
    const std::intptr_t reach = (array.shape(d) - 1) * array.strides(d);
    (reach < 0 ? first : last) += reach;
  }
  return {first, last + array.itemsize()};
}

bool overlap(std::pair<std::intptr_t, std::intptr_t> a, std::pair<std::intptr_t, std::intptr_t> b) {
  return a.first < b.second && b.first < a.second;
}

/// Whether the features of a step are consecutive and the other strides whole elements.
template <class T>
bool strides_fit(const py::array& array) {
  const py::ssize_t last = array.ndim() - 1, itemsize = sizeof(T);
  if (array.shape(last) > 1 && array.strides(last) != itemsize) return false;
  for (py::ssize_t d = 0; d < last; ++d) {
    if (array.strides(d) % itemsize != 0) return false;
  }
  return true;
}

template <class Value>
StateView<Value> state_view(Value* h, Value* c, const StateShape& shape) {
  const Index batch = shape.c.size() == 2 ? shape.c.front() : 1;
  return {h, c, batch, shape.c.back(), shape.h.back()};
}

}  // namespace

std::string shape_text(const Shape& shape) {
  std::string text = "(";
  for (std::size_t d = 0; d < shape.size(); ++d) {
    text += (d == 0 ? "" : ", ") + std::to_string(shape[d]);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}

Shape shape_of(const py::array& array) { return {array.shape(), array.shape() + array.ndim()}; }

void refuse_value(const std::string& argument, const std::string& expected,
                  const std::string& got) {
  throw py::value_error(argument + ": expected " + expected + ", got " + got);
}

void refuse_type(const std::string& argument, const std::string& expected, const std::string& got) {
  throw py::type_error(argument + ": expected " + expected + ", got " + got);
}

std::string type_text(py::handle object) {
  const py::handle type = py::type::handle_of(object);
  const std::string module = py::str(type.attr("__module__"));
  const std::string name = py::str(type.attr("__qualname__"));
  return module == "builtins" ? name : module + "." + name;
}

template <class T>
py::array_t<T> numbers(py::handle object, const std::string& argument, bool c_contiguous) {
  const py::array array = as_array(object, argument, "an array of numbers");
  const char kind = array.dtype().kind();
  if (kind != 'f' && kind != 'i' && kind != 'u' && kind != 'b') {
    refuse_type(argument, std::string("numbers that convert to ") + dtype_name<T>(),
                dtype_text(array));
  }
  const bool ready = py::isinstance<py::array_t<T>>(array) && (array.flags() & kAligned) != 0;
  if (ready && (!c_contiguous || (array.flags() & py::array::c_style) != 0)) {
    return py::reinterpret_borrow<py::array_t<T>>(
        array);  // a plain conversion would ask NumPy again
  }
  return converted<T>(array, argument);
}

template <class T>
py::array_t<T> numbers(py::handle object, const std::string& argument, const Shape& shape) {
  py::array_t<T> array = numbers<T>(object, argument, true);
  if (shape_of(array) != shape) {
    refuse_value(argument, shape_text(shape), shape_text(shape_of(array)));
  }
  return array;
}

py::array_t<bool> booleans(py::handle object, const std::string& argument, const Shape& shape) {
  const py::array array = as_array(object, argument, "an array of bool");
  if (array.dtype().kind() != 'b') refuse_type(argument, "an array of bool", dtype_text(array));
  if (shape_of(array) != shape) {
    refuse_value(argument, shape_text(shape), shape_text(shape_of(array)));
  }
  return converted<bool>(array, argument);
}

template <class T>
Sequences<T>::Sequences(py::handle object, const std::string& argument, Index features)
    : array_(numbers<T>(object, argument, false)), batched_(array_.ndim() == 3) {
  const py::ssize_t ndim = array_.ndim();
  if ((ndim != 2 && ndim != 3) || array_.shape(ndim - 1) != features) {
    const std::string single = "(time, " + std::to_string(features) + ")";
    const std::string batch = "(batch, time, " + std::to_string(features) + ")";
    refuse_value(argument,
                 ndim == 2   ? single
                 : ndim == 3 ? batch
                             : batch + " or " + single,
                 shape_text(shape_of(array_)));
  }
  if (!strides_fit<T>(array_)) array_ = converted<T>(array_, argument);
  const auto stride = [&](py::ssize_t d) {
    return array_.strides(d) / static_cast<py::ssize_t>(sizeof(T));
  };
  view_ = {array_.data(), batched_ ? array_.shape(0) : 1, array_.shape(ndim - 2),
           features,      batched_ ? stride(0) : 0,       stride(ndim - 2)};
}

py::array_t<Index> integers(py::handle object, const std::string& argument) {
  const py::array array = as_array(object, argument, "integers");
  const char kind = array.dtype().kind();
  if (kind != 'i' && kind != 'u' && array.size() > 0) {
    refuse_type(argument, "integers", dtype_text(array));
  }
  return converted<Index>(array, argument);
}

template <class T>
Shape Sequences<T>::shape(Shape rest) const {
  if (batched_) rest.insert(rest.begin(), batch());
  return rest;
}

template <class T>
Lengths::Lengths(py::handle object, const Sequences<T>& x) {
  if (object.is_none()) return;
  if (!x.batched()) {
    refuse_value("lengths", "None for a single sequence (time, features)", type_text(object));
  }
  const py::array_t<Index> values = integers(object, "lengths");
  const Shape shape = {x.batch()};
  if (shape_of(values) != shape) {
    refuse_value("lengths", shape_text(shape), shape_text(shape_of(values)));
  }
  values_.assign(values.data(), values.data() + values.size());
}

template <class T>
StateIn<T>::StateIn(py::handle object, const std::string& argument,
                    const std::vector<StateShape>& shapes) {
  if (object.is_none()) return;
  const auto expected = [&] {
    return std::to_string(shapes.size()) + " pairs (h, c), one per layer and direction";
  };
  const auto is_list = [](py::handle item) {
    return py::isinstance<py::tuple>(item) || py::isinstance<py::list>(item);
  };
  if (!is_list(object)) refuse_type(argument, "a tuple of " + expected(), type_text(object));
  const auto pairs = py::reinterpret_borrow<py::sequence>(object);
  if (pairs.size() != shapes.size()) {
    refuse_value(argument, expected(), std::to_string(pairs.size()));
  }
  arrays_.reserve(2 * shapes.size());
  for (std::size_t k = 0; k < shapes.size(); ++k) {
    const py::object pair = pairs[k];
    const std::string name = argument + "[" + std::to_string(k) + "]";
    if (!is_list(pair)) refuse_type(name, "a pair (h, c)", type_text(pair));
    if (py::len(pair) != 2) refuse_value(name, "a pair (h, c)", std::to_string(py::len(pair)));
    const auto member = [&](std::size_t i, const char* suffix, const Shape& shape) {
      const py::object value = py::reinterpret_borrow<py::sequence>(pair)[i];
      auto array = numbers<T>(value, name + suffix, shape);
      const T* data = array.data();
      arrays_.push_back(std::move(array));
      return data;
    };
    const T* h = member(0, ".h", shapes[k].h);
    const T* c = member(1, ".c", shapes[k].c);
    views_.push_back(state_view(h, c, shapes[k]));
  }
}

template <class T>
StateOut<T>::StateOut(const std::vector<StateShape>& shapes) : tuple_(shapes.size()) {
  views_.reserve(shapes.size());
  for (std::size_t k = 0; k < shapes.size(); ++k) {
    py::array_t<T> h(shapes[k].h), c(shapes[k].c);
    views_.push_back(state_view(h.mutable_data(), c.mutable_data(), shapes[k]));
    tuple_[k] = py::make_tuple(std::move(h), std::move(c));
  }
}

template <class T>
py::array_t<T> output(py::handle object, const std::string& argument, const Shape& shape,
                      const std::vector<std::pair<std::string, py::array>>& inputs,
                      const Parameters<T>* parameters) {
  const std::string expected = std::string("a writable C-contiguous ") + dtype_name<T>() +
                               " array of shape " + shape_text(shape);
  if (!py::isinstance<py::array>(object)) refuse_type(argument, expected, type_text(object));
  const auto array = py::reinterpret_borrow<py::array>(object);
  if (!py::isinstance<py::array_t<T>>(array)) refuse_type(argument, expected, dtype_text(array));
  if (shape_of(array) != shape) refuse_value(argument, expected, shape_text(shape_of(array)));
  if (!array.writeable()) refuse_value(argument, expected, "a read-only one");
  constexpr int kLayout = py::array::c_style | kAligned;
  if ((array.flags() & kLayout) != kLayout) refuse_value(argument, expected, "other strides");

  const auto mine = extent(array);
  for (const auto& [name, input] : inputs) {
    if (overlap(mine, extent(input))) {
      refuse_value(argument, "memory of its own", "an array that overlaps " + name);
    }
  }
  if (parameters == nullptr) return array;
  const auto first = reinterpret_cast<std::intptr_t>(parameters->data(0));
  const auto bytes = parameters->flat_size() * static_cast<std::intptr_t>(sizeof(T));
  if (overlap(mine, {first, first + bytes})) {
    refuse_value(argument, "memory of its own", "an array that overlaps the parameters");
  }
  return array;
}

#define PEEPHOLE_INSTANTIATE(T)                                                         \
  template py::array_t<T> numbers(py::handle, const std::string&, bool);                \
  template py::array_t<T> numbers(py::handle, const std::string&, const Shape&);        \
  template class Sequences<T>;                                                          \
  template Lengths::Lengths(py::handle, const Sequences<T>&);                           \
  template class StateIn<T>;                                                            \
  template class StateOut<T>;                                                           \
  template py::array_t<T> output(py::handle, const std::string&, const Shape&,          \
                                 const std::vector<std::pair<std::string, py::array>>&, \
                                 const Parameters<T>*);
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole::binding
