#pragma once

#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <variant>

#include "peephole/export.h"
#include "peephole/lstm.hpp"
#include "peephole/network.hpp"
#include "peephole/tensors.hpp"

/// Models in safetensors files, the same from C++ and from Python.
///
/// A file holds each parameter by its name, in the model's type (F32 or F64), and the mask of each
/// masked one as `masks/{name}` (BOOL). Its metadata are strings: "format" is "peephole",
/// "format_version" is "1", "kind" is LSTM or Network, and "options" is the configuration as JSON,
/// with the options of peephole/options.hpp and "dtype". A file that lacks an option which was
/// added later has the option's default; a file with an unknown option is refused. Files of Python
/// may also have "input_scaling" and "target_scaling", JSON of a peephole.Standardiser. load()
/// takes no notice of them, and save() does not write them. What the caller adds to the metadata,
/// such as the sample rate of a sound, is stored as "metadata/{name}".
namespace peephole {

/// The content of a file is not what it must be.
class PEEPHOLE_API FileError : public std::runtime_error {
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
///
/// metadata  overwritten by what save() was given, if it is not null: {name: text}
PEEPHOLE_API AnyModel load(const std::filesystem::path& path, Metadata* metadata = nullptr);
PEEPHOLE_API AnyModel load(const void* data, std::size_t size, Metadata* metadata = nullptr);

/// The same for a known kind of model: load<Network<float>>("model.safetensors").
/// Throws FileError for any other model.
template <class Model>
PEEPHOLE_API Model load(const std::filesystem::path& path, Metadata* metadata = nullptr);
template <class Model>
PEEPHOLE_API Model load(const void* data, std::size_t size, Metadata* metadata = nullptr);

/// Writes a model to a file, for load() and for peephole.load of Python. The file at `path`, if
/// there is one, is replaced as a whole or not at all, by one of the same permissions; a reader
/// finds the old file or the new one, also while several writers save to one path. A link stays a
/// link. A process that is killed while it saves leaves a file `.peephole-*.tmp` in the same
/// folder, which can be deleted.
///
/// metadata  {name: text} of the caller's, which load() gives back: at most kMostMetadata entries
///           of UTF-8 without zero characters; names are not empty
///
/// Throws std::invalid_argument for other metadata; std::filesystem::filesystem_error for a file
/// that cannot be written and for a path that is a folder, a device or a pipe; and FileError for a
/// model of more tensors, or for longer metadata, than the header's limit has room for (some
/// thousand layers).
template <class Model>
PEEPHOLE_API void save(const Model& model, const std::filesystem::path& path,
                       const Metadata& metadata = {});
inline constexpr std::size_t kMostMetadata = 50;

/// The bytes that save() writes.
template <class Model>
PEEPHOLE_API std::string serialise(const Model& model, const Metadata& metadata = {});

/// The model's configuration as JSON, as its file has it.
template <class Model>
PEEPHOLE_API std::string options_text(const Model& model);

}  // namespace peephole
