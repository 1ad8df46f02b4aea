#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "files/source.hpp"

/// The header of a safetensors file: its size in 8 bytes, little-endian, and JSON padded by spaces:
///
///     {"__metadata__": {name: text}, name: {"dtype": "F32", "shape": [...], "data_offsets": [b,
///     e]}}
///
/// The values follow, tensor after tensor without gaps; offsets count from the first value.
namespace peephole::files {

/// What a header may have at most: bytes of JSON, and tensors. More is taken for a forged file.
struct Limits {
  std::uint64_t bytes;
  std::size_t tensors;
};
inline constexpr Limits kModelLimits = {std::uint64_t{1} << 20, std::size_t{1} << 20};

struct Tensor {
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0, end = 0;  // data_offsets
};

struct Header {
  std::map<std::string, std::string> metadata;
  std::map<std::string, Tensor> tensors;
  std::uint64_t data_at = 0;  // where in the file the values begin
};

/// Bytes of an array; nothing for an unknown dtype or a size that memory cannot have.
std::optional<std::uint64_t> bytes_of(const std::string& dtype,
                                      const std::vector<std::uint64_t>& shape) noexcept;

/// Reads the header of a whole file, and checks that the tensors have known dtypes and the sizes of
/// their shapes and fill the rest of the file. Throws FileError.
Header read_header(Source& source, const Limits& limits);

/// What a file begins with: size and text, padded so that the values are aligned. Throws FileError
/// for a header beyond the limits and std::invalid_argument for names that no file can have.
std::string write_header(const Header& header, const Limits& limits);

/// `name` for a message: in quotes, in printable ASCII, cut where it is long.
std::string in_quotes(const std::string& name);

}  // namespace peephole::files
