#include "peephole/files.hpp"

#include <pybind11/stl/filesystem.h>

#include <memory>
#include <utility>

#include "bindings.hpp"

namespace peephole::binding {
namespace {

namespace py = pybind11;

/// The parts that have a Python class; each is held by shared_ptr.
py::object load_model(const std::filesystem::path& path) {
  auto model = [&] {
    const py::gil_scoped_release release;
    return load(path);
  }();
  return std::visit(
      [](auto&& held) {
        using Model = std::decay_t<decltype(held)>;
        return py::cast(std::make_shared<Model>(std::forward<decltype(held)>(held)));
      },
      std::move(model));
}

/// ValueError for what a file holds, OSError (or the class of it for the number) for what the
/// system says. Messages hold paths, which need not be UTF-8.
void translate(std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const FileError& error) {
    const auto message = py::reinterpret_steal<py::object>(PyUnicode_DecodeFSDefault(error.what()));
    PyErr_SetObject(PyExc_ValueError, message.ptr());
  } catch (const std::filesystem::filesystem_error& error) {
    const py::object path = py::str(py::cast(error.path1()));
    const auto os_error = py::reinterpret_borrow<py::object>(PyExc_OSError);
    const py::object value = os_error(error.code().value(), error.code().message(), path);
    PyErr_SetObject(py::type::handle_of(value).ptr(), value.ptr());
  }
}

}  // namespace

void bind_files(py::module_& module) {
  module.def("load", &load_model, py::arg("path"));
  py::register_local_exception_translator(&translate);
}

}  // namespace peephole::binding
