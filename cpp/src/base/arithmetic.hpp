#pragma once

#include <cstddef>

#include "base/exact.hpp"
#include "peephole/types.hpp"

namespace peephole {

/// Bytes of a cache line: arrays begin on one, so that vector loads do not straddle two.
inline constexpr std::size_t kCacheLine = 64;

/// The smallest multiple of `unit` that is at least `n`.
constexpr Index round_up(Index n, Index unit) noexcept { return (n + unit - 1) / unit * unit; }

/// Values of type T in a cache line.
template <class T>
inline constexpr Index kLineValues = static_cast<Index>(kCacheLine / sizeof(T));

}  // namespace peephole
