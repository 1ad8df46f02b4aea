#include "classes.hpp"

namespace peephole::binding {
namespace {

/// Whether a call of a class is on its way to the class's __new__.
thread_local bool called = false;

PyObject* call_class(PyObject* type, PyObject* arguments, PyObject* keywords) {
  called = true;
  PyObject* const made =
      py::detail::get_internals().default_metaclass->tp_call(type, arguments, keywords);
  called = false;
  return made;
}

PyObject* make_whole(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  if (!called) {
    PyErr_Format(PyExc_TypeError, "%s: expected a call of the class, got __new__ alone",
                 type->tp_name);
    return nullptr;
  }
  called = false;
  return py::detail::pybind11_object_new(type, arguments, keywords);
}

PyObject* make_metaclass() {
  const py::handle base(reinterpret_cast<PyObject*>(py::detail::get_internals().default_metaclass));
  const py::handle type(reinterpret_cast<PyObject*>(&PyType_Type));
  py::object made = type("whole_objects", py::make_tuple(base), py::dict());
  reinterpret_cast<PyTypeObject*>(made.ptr())->tp_call = call_class;
  return made.release().ptr();
}

}  // namespace

py::metaclass whole_objects() {
  static PyObject* const metaclass = make_metaclass();
  return py::metaclass(metaclass);
}

py::custom_type_setup whole_object_setup() {
  return py::custom_type_setup(
      [](PyHeapTypeObject* heap_type) { heap_type->ht_type.tp_new = make_whole; });
}

}  // namespace peephole::binding
