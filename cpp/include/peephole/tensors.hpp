#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "peephole/export.h"

/// Named arrays with named texts in safetensors files, such as checkpoints of a training. Models
/// have load() and save() of peephole/files.hpp.
namespace peephole {

/// Bytes of one value of a dtype of safetensors files: BOOL, U8, I8, U16, I16, F16, BF16, U32, I32,
/// F32, U64, I64, F64; 0 for any other name.
PEEPHOLE_API std::size_t dtype_size(std::string_view dtype) noexcept;

/// What a file says about an array. A shape of no dimensions is that of a single value.
struct TensorSpec {
  std::string dtype;
  std::vector<std::uint64_t> shape;
};

/// An array in memory that is only read: C-contiguous, in the byte order of the machine.
/// In files values are little-endian.
struct TensorView {
  TensorSpec spec;
  const void* data = nullptr;
};

/// Metadata of a file: {name: text}, all in UTF-8.
using Metadata = std::map<std::string, std::string>;

/// Writes the arrays and the metadata to a file. The file at `path`, if there is one, is replaced
/// as a whole or not at all, as save() does.
///
/// Throws std::invalid_argument for what a file cannot hold: an unknown dtype, an array called
/// "__metadata__", texts that are not UTF-8, more than 100,000 arrays, names and metadata of more
/// than 100 MB; and std::filesystem::filesystem_error for a file that cannot be written.
PEEPHOLE_API void write_tensors(const std::filesystem::path& path,
                                const std::map<std::string, TensorView>& tensors,
                                const Metadata& metadata);

/// Throws the std::filesystem::filesystem_error that writing a file at `path` would throw now,
/// other than for want of space. Changes no file there and leaves none. For programs that compute
/// for long before they write.
PEEPHOLE_API void check_writable(const std::filesystem::path& path);

/// A safetensors file that is open to be read. Its header is checked as a whole before anything is
/// read or allocated: known dtypes, sizes that agree with the shapes, no gaps or overlaps, and
/// exactly the bytes that the file has.
class PEEPHOLE_API TensorFile {
 public:
  /// Throws FileError for a content that is not a whole safetensors file, and
  /// std::filesystem::filesystem_error for a file that cannot be read.
  explicit TensorFile(const std::filesystem::path& path);
  TensorFile(TensorFile&&) noexcept;
  ~TensorFile();

  const Metadata& metadata() const noexcept;
  const std::map<std::string, TensorSpec>& tensors() const noexcept;

  /// Bytes of an array. Throws std::invalid_argument for a name that the file does not have.
  std::size_t bytes(const std::string& name) const;
  /// Copies the values of an array to `target`. Throws as above and as the constructor.
  void read(const std::string& name, void* target) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace peephole
