#pragma once

#include "kernels/plain/head_task.hpp"
#include "kernels/simd/head/product-inl.hpp"

/// The head of any number of rows.
namespace peephole::kernels {
namespace {

/// Partial sums of a dot product, the same for every instruction set.
inline constexpr Index kPartialSums = 16;
template <class V>
inline constexpr int kPartialVectors = kPartialSums / V::lanes;

/// The largest O for which dot products are faster than lanes that are outputs: half of the lanes.
template <class V>
inline constexpr Index kMostDotProducts = V::lanes / 2;

/// Rows whose dot products with one row of weights are formed together: eight independent sums.
template <class V>
inline constexpr int kDotRows = 8 / kPartialVectors<V>;

/// bias + weight · h of R rows. The partial sums are the lanes of vectors, added up by halves.
template <class V, int R, class T = typename V::Scalar>
[[gnu::always_inline]] inline void dot_products(const HeadTask<T>& task, Index row, Index o) {
  constexpr int kVectors = kPartialVectors<V>;
  const Index size = task.input_size;
  const T* const weight = task.weight + o * size;
  const T* const h = task.h + row * task.h_stride;
  V partial[R][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) partial[r][v] = V::zero();
  }
  Index i = 0;
  for (; i + kPartialSums <= size; i += kPartialSums) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const V w = V::load(weight + i + v * V::lanes);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const V factor = V::load(h + r * task.h_stride + i + v * V::lanes);
        partial[r][v] = partial[r][v] + w * factor;
      }
    }
  }
  if (i < size) {
    // Lanes beyond the size are zeros, which leave a sum that began with +0 unchanged.
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const Index at = i + v * V::lanes, left = size - at;
      const Index count = left < 0 ? 0 : min_index(left, V::lanes);
      const V w = V::load(weight + at, count);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const V factor = V::load(h + r * task.h_stride + at, count);
        partial[r][v] = partial[r][v] + w * factor;
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 3
    for (int width = kVectors / 2; width > 0; width /= 2) {
#pragma GCC unroll 4
      for (int v = 0; v < width; ++v) partial[r][v] = partial[r][v] + partial[r][v + width];
    }
    task.logits[(row + r) * task.logits_stride + o] = task.bias[o] + sum(partial[r][0]);
  }
}

template <class V, class T>
void logits_by_dot_products(const HeadTask<T>& task, Index begin, Index end) {
  constexpr int kRows = kDotRows<V>;
  for (Index row = begin; row < end; row += kRows) {
    with_constant<kRows>(min_index(kRows, end - row), [&](auto R) {
      for (Index o = 0; o < task.output_size; ++o) dot_products<V, R.value>(task, row, o);
    });
  }
}

/// One row: two groups at a time, since one alone has too few independent sums.
template <class V, class T>
void logits_of_one_row(const HeadTask<T>& task, Index row) {
  constexpr int kVectors = 2 * kGroupVectors;
  const Index F = task.input_size, O = task.output_size, group = F * kGroupColumns<V>;
  T* const logits = task.logits + row * task.logits_stride;
  for (Index o = 0; o < O; ++o) logits[o] = task.bias[o];
  const Left<T> left = {task.h + row * task.h_stride, 0};
  for (Index first = 0; first < O; first += kVectors * V::lanes) {
    const Index columns = min_index(O - first, kVectors * V::lanes);
    const Right<T> right = {task.packed + first / kGroupColumns<V> * group, kGroupColumns<V>, group,
                            V::lanes};
    with_constant<kVectors>(vectors_of<V>(columns), [&](auto C) {
      product_tile<V, 1, C.value, false, false>(left, right, F, Onto::before,
                                                Result<T>{logits + first, 0, tail_of<V>(columns)});
    });
  }
}

template <class V, class T>
void logits_by_groups(const HeadTask<T>& task, Index begin, Index end) {
  const Index F = task.input_size, O = task.output_size;
  const Left<T> left = {task.h + begin * task.h_stride, task.h_stride};
  for (Index first = 0; first < O; first += kGroupColumns<V>) {
    const Index columns = min_index(O - first, kGroupColumns<V>);
    const Right<T> right = {task.packed + first * F, kGroupColumns<V>, 0, V::lanes};
    T* const logits = task.logits + begin * task.logits_stride + first;
    for (Index r = 0; r < end - begin; ++r) {
      for (Index o = 0; o < columns; ++o) logits[r * task.logits_stride + o] = task.bias[first + o];
    }
    product<false, V>(left, end - begin, right, F, Onto::before,
                      Result<T>{logits, task.logits_stride, 0}, columns);
  }
}

template <class V, class T = typename V::Scalar>
void head_logits(const HeadTask<T>& task, Index begin, Index end) noexcept {
  if (task.output_size <= kMostDotProducts<V>) {
    logits_by_dot_products<V>(task, begin, end);
  } else if (end - begin == 1) {
    logits_of_one_row<V>(task, begin);
  } else {
    logits_by_groups<V>(task, begin, end);
  }
}

}  // namespace
}  // namespace peephole::kernels
