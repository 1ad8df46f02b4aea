#include "peephole/files.hpp"

#include <pybind11/numpy.h>
#include <pybind11/stl/filesystem.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "classes.hpp"
#include "gil.hpp"
#include "options.hpp"
#include "peephole/interop.hpp"
#include "peephole/tensors.hpp"
#include "saving.hpp"

namespace peephole::binding {
namespace {

namespace py = pybind11;

/// A Python object of a model; each class is held by shared_ptr.
template <class... Models>
py::object object_of(std::variant<Models...> model) {
  return std::visit(
      [](auto&& held) {
        using Model = std::decay_t<decltype(held)>;
        return py::cast(std::make_shared<Model>(std::forward<decltype(held)>(held)));
      },
      std::move(model));
}

py::dict dict_of(const Metadata& metadata) {
  py::dict dict;
  for (const auto& [name, text] : metadata) dict[py::str(name)] = py::str(text);
  return dict;
}

/// (model, metadata)
py::tuple load_model(const std::filesystem::path& path) {
  Metadata metadata;
  auto model = [&] {
    const WithoutGil release;
    return load(path, &metadata);
  }();
  return py::make_tuple(object_of(std::move(model)), dict_of(metadata));
}

/// (network, metadata)
template <class T>
py::tuple load_nam_as(const std::filesystem::path& path) {
  auto model = [&] {
    const WithoutGil release;
    return load_nam<T>(path);
  }();
  return py::make_tuple(std::make_shared<Network<T>>(std::move(model.network)),
                        dict_of(model.metadata));
}

template <class T>
py::object load_rtneural_as(const std::filesystem::path& path) {
  auto model = [&] {
    const WithoutGil release;
    return load_rtneural<T>(path);
  }();
  return object_of(std::move(model));
}

/// The dtypes of files that NumPy has too, by its kind and item size. It has no BF16.
struct Dtype {
  const char* name;
  const char* numpy;
};
constexpr Dtype kDtypes[] = {{"BOOL", "?"}, {"U8", "u1"},  {"I8", "i1"},  {"U16", "u2"},
                             {"I16", "i2"}, {"F16", "f2"}, {"U32", "u4"}, {"I32", "i4"},
                             {"F32", "f4"}, {"U64", "u8"}, {"I64", "i8"}, {"F64", "f8"}};

/// A string's UTF-8. Lone surrogates have none.
std::string utf8(py::handle object, const std::string& argument) {
  if (!py::isinstance<py::str>(object)) refuse_type(argument, "a string", type_text(object));
  Py_ssize_t size = 0;
  const char* const data = PyUnicode_AsUTF8AndSize(object.ptr(), &size);
  if (data == nullptr) {
    PyErr_Clear();
    refuse_value(argument, "text that UTF-8 can encode", std::string(py::repr(object)));
  }
  return {data, static_cast<std::size_t>(size)};
}

/// A dict, copied.
py::dict mapping(py::handle object, const std::string& argument, const char* expected) {
  if (!py::isinstance<py::dict>(object)) refuse_type(argument, expected, type_text(object));
  return copy_of(object);
}

/// `value` as an array that a file can hold, C-contiguous and of this machine's byte order.
py::array array_for_file(py::handle value, const std::string& argument, TensorSpec& spec) {
  if (!py::isinstance<py::array>(value)) refuse_type(argument, "an array", type_text(value));
  const auto array = py::reinterpret_borrow<py::array>(value);
  for (const Dtype& dtype : kDtypes) {
    const py::dtype numpy(dtype.numpy);
    if (numpy.kind() != array.dtype().kind() || numpy.itemsize() != array.itemsize()) continue;
    spec.dtype = dtype.name;
    const py::array result =
        py::module_::import("numpy").attr("asarray")(array, numpy, py::arg("order") = "C");
    spec.shape.assign(result.shape(), result.shape() + result.ndim());
    return result;
  }
  refuse_type(argument, "an array of bool, integers or real numbers of at most 64 bits",
              "dtype " + std::string(py::str(array.dtype())));
}

void write_arrays(const std::filesystem::path& path, py::handle arrays, py::handle metadata) {
  std::map<std::string, TensorView> tensors;
  std::vector<py::array> kept;
  for (const auto& [key, value] : mapping(arrays, "arrays", "a dict of names to arrays")) {
    const std::string name = utf8(key, "arrays");
    TensorView& tensor = tensors[name];
    kept.push_back(array_for_file(value, "arrays[\"" + name + "\"]", tensor.spec));
    tensor.data = kept.back().data();
  }
  const Metadata texts = metadata_from(metadata);
  const WithoutGil release;
  write_tensors(path, tensors, texts);
}

void check_path(const std::filesystem::path& path) {
  const WithoutGil release;
  check_writable(path);
}

/// An array of a file, new.
py::array read_array(const TensorFile& file, const std::string& name) {
  const auto found = file.tensors().find(name);
  if (found == file.tensors().end()) throw py::key_error(name);
  const TensorSpec& spec = found->second;
  for (const Dtype& dtype : kDtypes) {
    if (spec.dtype != dtype.name) continue;
    py::array array(py::dtype(dtype.numpy), Shape(spec.shape.begin(), spec.shape.end()));
    void* const data = array.mutable_data();
    {
      const WithoutGil release;
      file.read(name, data);
      if (spec.dtype == "BOOL") {  // any other byte of a forged file is no bool
        auto* const bytes = static_cast<unsigned char*>(data);
        for (std::size_t i = 0; i < file.bytes(name); ++i) bytes[i] = bytes[i] != 0;
      }
    }
    return array;
  }
  throw FileError("tensor \"" + name + "\": NumPy has no dtype " + spec.dtype);
}

/// {name: (dtype of files, shape)}
py::dict specs_of(const TensorFile& file) {
  py::dict specs;
  for (const auto& [name, spec] : file.tensors()) {
    py::tuple shape(spec.shape.size());
    for (std::size_t d = 0; d < spec.shape.size(); ++d) shape[d] = spec.shape[d];
    specs[py::str(name)] = py::make_tuple(spec.dtype, shape);
  }
  return specs;
}

py::dict metadata_of(const TensorFile& file) { return dict_of(file.metadata()); }

py::tuple read_arrays(const std::filesystem::path& path) {
  const TensorFile file(path);
  py::dict arrays;
  for (const auto& named : file.tensors()) {
    arrays[py::str(named.first)] = read_array(file, named.first);
  }
  return py::make_tuple(arrays, metadata_of(file));
}

/// ValueError for the content of a file; OSError, or its subclass for the number, for an error of
/// the system. Messages contain paths, which need not be UTF-8.
void translate(std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const FileError& error) {
    const auto message = py::reinterpret_steal<py::object>(PyUnicode_DecodeFSDefault(error.what()));
    PyErr_SetObject(PyExc_ValueError, message.ptr());
  } catch (const std::filesystem::filesystem_error& error) {
    const py::object path = py::str(py::cast(error.path1()));
    const auto os_error = py::reinterpret_borrow<py::object>(PyExc_OSError);
    // What was attempted and the system's text, but not the path, which OSError adds.
    const char* const message = error.std::system_error::what();
    const py::object value = os_error(error.code().value(), message, path);
    PyErr_SetObject(py::type::handle_of(value).ptr(), value.ptr());
  }
}

}  // namespace

Metadata metadata_from(py::handle object) {
  Metadata metadata;
  for (const auto& [key, value] : mapping(object, "metadata", "a dict of names to strings")) {
    const std::string name = utf8(key, "metadata");
    metadata[name] = utf8(value, "metadata[\"" + name + "\"]");
  }
  return metadata;
}

void bind_files(py::module_& module) {
  using namespace py::literals;
  module.attr("MOST_METADATA") = kMostMetadata;
  module.def("load", &load_model, "path"_a);
  module.def("load_nam_float32", &load_nam_as<float>, "path"_a);
  module.def("load_nam_float64", &load_nam_as<double>, "path"_a);
  module.def("load_rtneural_float32", &load_rtneural_as<float>, "path"_a);
  module.def("load_rtneural_float64", &load_rtneural_as<double>, "path"_a);
  module.def("write_tensors", &write_arrays, "path"_a, "arrays"_a, "metadata"_a);
  module.def("check_writable", &check_path, "path"_a);
  module.def("read_tensors", &read_arrays, "path"_a);
  new_class<TensorFile>(module, "TensorFile")
      .def(py::init<const std::filesystem::path&>(), "path"_a)
      .def_property_readonly("metadata", &metadata_of)
      .def_property_readonly("specs", &specs_of)
      .def("read", &read_array, "name"_a);
  py::register_local_exception_translator(&translate);
}

}  // namespace peephole::binding
