#pragma once

#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <variant>

#include "peephole/lstm.hpp"
#include "peephole/network.hpp"

/// Models in safetensors files, the same from C++ and from Python.
///
/// A file holds each parameter by its name, in the model's type (F32 or F64), and the mask of each
/// masked one as `masks/{name}` (BOOL). Its metadata are strings: "format" is "peephole",
/// "format_version" the version of what is described here, "kind" LSTM or Network, "options" the
/// configuration as JSON.
namespace peephole {

/// What is wrong with the content of a file.
class FileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Any model that a file may hold.
using AnyModel = std::variant<LSTM<float>, LSTM<double>, Network<float>, Network<double>>;

/// The model in the file at `path`, or in the `size` bytes at `data` as a file would have them.
///
/// Nothing in the file is believed before it is checked, and the model is made after all checks:
/// refusing a file takes milliseconds and at most a few MB. Limits: a header of 1 MiB; no gaps,
/// overlaps or second keys; exactly the tensors that the configuration asks for.
///
/// Throws FileError for a content that is not a whole model file, and
/// std::filesystem::filesystem_error for a file that cannot be read.
AnyModel load(const std::filesystem::path& path);
AnyModel load(const void* data, std::size_t size);

/// The same where it is known what the file holds: load<Network<float>>("model.safetensors").
/// Throws FileError for any other model.
template <class Model>
Model load(const std::filesystem::path& path);
template <class Model>
Model load(const void* data, std::size_t size);

/// Writes a model to a file, for load() and for peephole.load of Python. The file at `path`, if
/// there is one, is replaced as a whole or not at all; it passes its permissions on. A link stays a
/// link.
///
/// Throws std::filesystem::filesystem_error for a file that cannot be written, and FileError for
/// a model of more tensors than the header's limit has room for (some thousand layers).
template <class Model>
void save(const Model& model, const std::filesystem::path& path);

/// The bytes that save() writes.
template <class Model>
std::string serialise(const Model& model);

}  // namespace peephole
