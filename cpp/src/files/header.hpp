#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "peephole/types.hpp"

/// The header of a safetensors file: 8 bytes of its size, little-endian; JSON, padded with spaces:
///
///     {"__metadata__": {name: text}, name: {"dtype": "F32", "shape": [...], "data_offsets": [b,
///     e]}}
///
/// The values follow, tensor after tensor without gaps; offsets count from their beginning.
namespace peephole::files {

/// Of the header, its size not counted: a header of more is taken for a lie about the size.
inline constexpr std::uint64_t kLargestHeader = std::uint64_t{1} << 20;
inline constexpr std::size_t kSizeBytes = 8;

struct Tensor {
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0, end = 0;  // data_offsets
};

struct Header {
  std::map<std::string, std::string> metadata;
  std::map<std::string, Tensor> tensors;
};

/// The size of the header's text that a file of `file_size` bytes begins with. Throws FileError.
std::size_t read_header_size(const unsigned char (&bytes)[kSizeBytes], std::uint64_t file_size);

/// Reads the header's text and checks that the tensors fill the `data_size` bytes after it. Throws
/// FileError.
Header read_header(const std::string& text, std::uint64_t data_size);

/// What a file begins with: size and text, padded so that the values are aligned. Throws FileError
/// for a text beyond kLargestHeader.
std::string write_header(const Header& header);

/// `name` for a message: in quotes, in printable ASCII, cut where it is long.
std::string in_quotes(const std::string& name);

}  // namespace peephole::files
