#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "files/source.hpp"

/// Values are little-endian in files, and in memory as the machine has them.
namespace peephole::files {

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
inline constexpr bool kReversed = true;
#else
inline constexpr bool kReversed = false;
#endif

/// Reverses the bytes of each value of `value_size` bytes.
inline void reverse_values(void* data, std::size_t bytes, std::size_t value_size) noexcept {
  auto* value = static_cast<unsigned char*>(data);
  for (auto* const end = value + bytes; value != end; value += value_size) {
    std::reverse(value, value + value_size);
  }
}

/// Copies the values that take `bytes` bytes from position `at` to `target`.
inline void read_values(Source& source, std::uint64_t at, void* target, std::size_t bytes,
                        std::size_t value_size) {
  source.read(at, target, bytes);
  if constexpr (kReversed) reverse_values(target, bytes, value_size);
}

/// Writes values that take `bytes` bytes; piece by piece where they are reversed.
template <bool reversed = kReversed>
void write_values(Sink& sink, const void* data, std::size_t bytes, std::size_t value_size) {
  if constexpr (!reversed) {
    sink.write(data, bytes);
  } else {
    std::array<unsigned char, 4096> piece;  // whole values of 1, 2, 4 or 8 bytes
    const auto* from = static_cast<const unsigned char*>(data);
    while (bytes > 0) {
      const std::size_t count = std::min(bytes, piece.size());
      std::copy(from, from + count, piece.data());
      reverse_values(piece.data(), count, value_size);
      sink.write(piece.data(), count);
      from += count;
      bytes -= count;
    }
  }
}

}  // namespace peephole::files
