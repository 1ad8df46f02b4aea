#pragma once

#include "kernels/simd/backward/tile-inl.hpp"

/// The matrix product of the head: any number of rows times one group of columns.
namespace peephole::kernels {
namespace {

/// Columns of a group.
template <class V>
inline constexpr Index kGroupColumns = kGroupVectors * V::lanes;

/// Rows of a tile that is C vectors wide: enough independent sums to hide the latency of an
/// addition, while sums and factors fit into the registers.
template <class V, int C>
inline constexpr int kProductTileRows = V::registers == 32 ? 6
                                        : C == 1           ? 6
                                        : C == 2           ? 4
                                                           : kTileRows<V>;

/// Vectors that hold `columns` columns, and the columns in the last of them.
template <class V>
inline Index vectors_of(Index columns) {
  return (columns + V::lanes - 1) / V::lanes;
}
template <class V>
inline Index tail_of(Index columns) {
  return columns - (vectors_of<V>(columns) - 1) * V::lanes;
}

/// result (rows, columns) = left * right, combined with its old value as `onto` says. `right`: a
/// packed group, of which the first `columns` are used.
template <bool kTransposed, class V, class T = typename V::Scalar>
void product(Left<T> left, Index rows, const Right<T>& right, Index terms, Onto onto,
             Result<T> result, Index columns) {
  result.tail = tail_of<V>(columns);
  with_constant<kGroupVectors>(vectors_of<V>(columns), [&](auto C) {
    constexpr int kRows = kProductTileRows<V, C.value>;
    for (; rows > 0; rows -= kRows) {
      with_constant<kRows>(min_index(rows, kRows), [&](auto R) {
        product_tile<V, R.value, C.value, kTransposed, false>(left, right, terms, onto, result);
      });
      left.data += kTransposed ? kRows : kRows * left.stride;
      result.data += kRows * result.stride;
    }
  });
}

}  // namespace
}  // namespace peephole::kernels
