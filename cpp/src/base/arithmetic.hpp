#pragma once

#include <cstddef>

#include "base/exact.hpp"
#include "peephole/types.hpp"

namespace peephole {

/// Bytes of a cache line: arrays begin on one, so that vector loads do not straddle two.
inline constexpr std::size_t kCacheLine = 64;

/// The smallest multiple of `unit` that is at least `n`.
constexpr Index round_up(Index n, Index unit) noexcept { return (n + unit - 1) / unit * unit; }

/// n / unit, rounded up.
constexpr Index divide_up(Index n, Index unit) noexcept { return (n + unit - 1) / unit; }

/// Values of type T in a cache line.
template <class T>
inline constexpr Index kLineValues = static_cast<Index>(kCacheLine / sizeof(T));

/// The length of rows for n values: an odd number of cache lines. One column of many rows would
/// otherwise be in few sets of the cache, and its lines would displace each other.
template <class T>
constexpr Index spread_row(Index n) noexcept {
  return (divide_up(n, kLineValues<T>) | 1) * kLineValues<T>;
}

}  // namespace peephole
