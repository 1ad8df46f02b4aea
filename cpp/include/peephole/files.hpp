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
/// "format_version" is "1", "kind" is LSTM or Network, and "options" is the configuration as JSON,
/// with the options of peephole/options.hpp and "dtype". A file that lacks an option which was
/// added later has the option's default; a file with an unknown option is refused. Files of Python
/// may also have "input_scaling" and "target_scaling", JSON of a peephole.Standardiser. load()
/// takes no notice of them, and save() does not write them.
namespace peephole {

/// The content of a file is not what it must be.
class FileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Any model that a file may hold.
using AnyModel = std::variant<LSTM<float>, LSTM<double>, Network<float>, Network<double>>;

/// The model in the file at `path`, or in the `size` bytes at `data` as a file would have them.
///
/// Everything in the file is checked before the model is made: refusing a file takes milliseconds
/// and at most a few MB. Limits: a header of 1 MiB; no gaps, overlaps or repeated keys; exactly the
/// tensors that the configuration asks for.
///
/// Throws FileError for a content that is not a whole model file, and
/// std::filesystem::filesystem_error for a file that cannot be read or that is not a regular file,
/// such as a pipe.
AnyModel load(const std::filesystem::path& path);
AnyModel load(const void* data, std::size_t size);

/// The same for a known kind of model: load<Network<float>>("model.safetensors").
/// Throws FileError for any other model.
template <class Model>
Model load(const std::filesystem::path& path);
template <class Model>
Model load(const void* data, std::size_t size);

/// Writes a model to a file, for load() and for peephole.load of Python. The file at `path`, if
/// there is one, is replaced as a whole or not at all, by one of the same permissions; a reader
/// finds the old file or the new one, also while several writers save to one path. A link stays a
/// link. A process that is killed while it saves leaves a file `.peephole-*.tmp` in the same
/// folder, which can be deleted.
///
/// Throws std::filesystem::filesystem_error for a file that cannot be written and for a path that
/// is a folder, a device or a pipe; and FileError for a model of more tensors than the header's
/// limit has room for (some thousand layers).
template <class Model>
void save(const Model& model, const std::filesystem::path& path);

/// The bytes that save() writes.
template <class Model>
std::string serialise(const Model& model);

}  // namespace peephole
