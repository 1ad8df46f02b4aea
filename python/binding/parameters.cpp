#include "parameters.hpp"

#include "bindings.hpp"
#include "classes.hpp"

namespace peephole::binding {
namespace {

/// A writable view, which holds a writer: so what is written through it shows in the next call.
template <class T>
py::array_t<T> live_view(const ParametersOf<T>& self, const std::string& name) {
  const Index i = self.find(name);
  auto writer = std::make_unique<ParameterWriter<T>>(self.parameters->write());
  T* const data = writer->data(i);
  const py::capsule base(writer.get(), [](void* p) { delete static_cast<ParameterWriter<T>*>(p); });
  writer.release();
  return py::array_t<T>(self.shape(i), data, base);
}

/// A copy of integers: what is written to them must be checked.
template <class Integer, class T>
py::array integers_of(const ParametersOf<T>& self, Index i) {
  py::array_t<Integer> copy(self.shape(i), self.parameters->template integers<Integer>(i));
  py::detail::array_proxy(copy.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return copy;
}

/// The values of a parameter: a writable view, or of integers a copy that cannot be written.
template <class T>
py::array values(const ParametersOf<T>& self, const std::string& name) {
  const Index i = self.find(name);
  switch (self.spec(i).type) {
    case NumberType::int8: return integers_of<std::int8_t>(self, i);
    case NumberType::int16: return integers_of<std::int16_t>(self, i);
    case NumberType::real: break;
  }
  return live_view(self, name);
}

/// `object` as an array of Integer, of exactly `shape`.
template <class Integer>
py::array_t<Integer, py::array::c_style> exact_integers(py::handle object, const std::string& name,
                                                        const Shape& shape) {
  const auto array = py::array::ensure(object);
  if (!array || !array.dtype().equal(py::dtype::of<Integer>())) {
    refuse_type(name, "an array of " + std::string(py::str(py::dtype::of<Integer>())),
                array ? std::string(py::str(array.dtype())) : type_text(object));
  }
  if (shape_of(array) != shape) refuse_value(name, shape_text(shape), shape_text(shape_of(array)));
  return array;
}

template <class Integer, class T>
void assign_integers(ParametersOf<T>& self, Index i, py::handle value) {
  const auto values = exact_integers<Integer>(value, self.spec(i).name, self.shape(i));
  self.parameters->assign_integers(i, values.data());
}

template <class T>
void assign(ParametersOf<T>& self, const std::string& name, py::handle value) {
  const Index i = self.find(name);
  switch (self.spec(i).type) {
    case NumberType::int8: return assign_integers<std::int8_t>(self, i, value);
    case NumberType::int16: return assign_integers<std::int16_t>(self, i, value);
    case NumberType::real: break;
  }
  const auto values = numbers<T>(value, name, self.shape(i));
  self.parameters->assign(i, values.data());
}

template <class T>
py::object mask(const ParametersOf<T>& self, const std::string& name) {
  const Index i = self.find(name);
  if (!self.parameters->masked(i)) return py::none();
  return py::array_t<bool>(self.shape(i), self.parameters->mask(i));
}

template <class T>
void set_mask(ParametersOf<T>& self, const std::string& name, py::handle connected) {
  const Index i = self.find(name);
  const auto values = booleans(connected, name, self.shape(i));
  self.parameters->mask(i, values.data());
}

template <class T>
void bind_parameters_of(py::module_& module, const char* name) {
  new_class<ParametersOf<T>>(module, name)
      .def_property_readonly("dtype", [](const ParametersOf<T>&) { return py::dtype::of<T>(); })
      .def_property_readonly("names",
                             [](const ParametersOf<T>& self) {
                               py::tuple names(self.count);
                               for (Index i = 0; i < self.count; ++i) {
                                 names[static_cast<std::size_t>(i)] = self.spec(i).name;
                               }
                               return names;
                             })
      .def(
          "shape",
          [](const ParametersOf<T>& self, const std::string& parameter) {
            const Shape shape = self.shape(self.find(parameter));
            py::tuple result(shape.size());
            for (std::size_t d = 0; d < shape.size(); ++d) result[d] = shape[d];
            return result;
          },
          py::arg("name"))
      .def("view", &values<T>, py::arg("name"))
      .def("assign", &assign<T>, py::arg("name"), py::arg("value"))
      .def("mask", &mask<T>, py::arg("name"))
      .def("set_mask", &set_mask<T>, py::arg("name"), py::arg("connected"));
}

}  // namespace

template <class T>
Index ParametersOf<T>::find(const std::string& name) const {
  const Index i = parameters->find(name);
  if (i >= 0 && i < count) return i;
  std::string known;
  for (Index j = 0; j < count; ++j) known += (j == 0 ? "" : ", ") + spec(j).name;
  throw py::key_error(name + ": expected one of " + known);
}

template <class T>
py::dict ParametersOf<T>::split(const py::array_t<T>& flat) const {
  py::dict tensors;
  for (Index i = 0; i < count; ++i) {
    tensors[py::str(spec(i).name)] =
        py::array_t<T>(shape(i), flat.data() + parameters->offset(i), flat);
  }
  return tensors;
}

template struct ParametersOf<float>;
template struct ParametersOf<double>;

void bind_parameters(py::module_& module) {
  bind_parameters_of<float>(module, "ParametersFloat32");
  bind_parameters_of<double>(module, "ParametersFloat64");
}

}  // namespace peephole::binding
