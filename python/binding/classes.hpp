#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <utility>

/// What all classes of the binding share.
namespace peephole::binding {

namespace py = pybind11;

/// The metaclass and set-up of classes whose objects can only be made whole: `cls.__new__(cls)`
/// alone, without `__init__`, raises TypeError. pybind11 would leave memory that nothing has
/// initialised.
py::metaclass whole_objects();
py::custom_type_setup whole_object_setup();

/// A class of the module. Its objects cannot be pickled or copied: every protocol raises TypeError.
/// (Python's protocols 0 and 1 would make an object without `__init__`.)
template <class Class, class... Options>
py::class_<Class, Options...> new_class(py::module_& module, const char* name,
                                        const char* docstring = "") {
  py::class_<Class, Options...> cls(module, name, docstring, whole_objects(), whole_object_setup());
  cls.def("__reduce_ex__", [](py::handle self, py::handle) -> py::object {
    const std::string type = py::str(py::type::handle_of(self).attr("__name__"));
    throw py::type_error("cannot pickle or copy '" + type + "' objects");
  });
  return cls;
}

}  // namespace peephole::binding
