#pragma once

#include "kernels/simd/tile-inl.hpp"

/// From rows of weights to columns of a panel.
namespace peephole::kernels {
namespace {

/// Transposes a square in place, by log2(lanes) perfect shuffles of its rows.
template <class V>
[[gnu::always_inline]] inline void transpose_square(V (&rows)[V::lanes]) {
  constexpr Index kHalf = V::lanes / 2;
#pragma GCC unroll 4
  for (Index shuffles = V::lanes; shuffles > 1; shuffles /= 2) {
    V shuffled[V::lanes];
#pragma GCC unroll 8
    for (Index r = 0; r < kHalf; ++r) {
      shuffled[2 * r] = interleave_low(rows[r], rows[r + kHalf]);
      shuffled[2 * r + 1] = interleave_high(rows[r], rows[r + kHalf]);
    }
#pragma GCC unroll 16
    for (Index r = 0; r < V::lanes; ++r) rows[r] = shuffled[r];
  }
}

/// to[k * to_stride + u] = from[u * from_stride + k] for u < units <= lanes and k < terms; 0 for
/// the other lanes u.
template <class V, class T = typename V::Scalar>
void transpose(const T* from, Index from_stride, Index units, Index terms, T* to, Index to_stride) {
  for (Index k = 0; k < terms; k += V::lanes) {
    const Index n = terms - k < V::lanes ? terms - k : V::lanes;
    V rows[V::lanes];
#pragma GCC unroll 16
    for (Index u = 0; u < V::lanes; ++u) {
      const T* const row = from + u * from_stride + k;
      rows[u] = u >= units ? V::zero() : n == V::lanes ? V::load(row) : V::load(row, n);
    }
    transpose_square(rows);
    for (Index r = 0; r < n; ++r) rows[r].store(to + (k + r) * to_stride);
  }
}

}  // namespace
}  // namespace peephole::kernels
