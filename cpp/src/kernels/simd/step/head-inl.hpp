#pragma once

#include "kernels/plain/step_task.hpp"

/// The head of one step.
namespace peephole::kernels {
namespace {

/// Partial sums of a dot product, as in head_logits.
inline constexpr Index kPartialSums = 16;

/// bias + weight · h, with the partial sums of head_logits in the lanes of vectors, added up by
/// halves.
template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline T head_dot(T bias, const T* weight, const T* h, Index size) {
  constexpr int kVectors = kPartialSums / V::lanes;
  V partial[kVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) partial[v] = V::zero();
  Index i = 0;
  for (; i + kPartialSums <= size; i += kPartialSums) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const Index at = i + v * V::lanes;
      partial[v] = partial[v] + V::load(weight + at) * V::load(h + at);
    }
  }
  if (i < size) {
    // Lanes beyond the size are zeros, which leave a sum that began with +0 unchanged.
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const Index at = i + v * V::lanes, left = size - at;
      const Index count = left < 0 ? 0 : left < V::lanes ? left : V::lanes;
      partial[v] = partial[v] + V::load(weight + at, count) * V::load(h + at, count);
    }
  }
#pragma GCC unroll 3
  for (int width = kVectors / 2; width > 0; width /= 2) {
#pragma GCC unroll 4
    for (int v = 0; v < width; ++v) partial[v] = partial[v] + partial[v + width];
  }
  return bias + sum(partial[0]);
}

template <class V, class T = typename V::Scalar>
void step_head(const StepHead<T>& head, const T* h, T* logits) noexcept {
  for (Index o = 0; o < head.output_size; ++o) {
    logits[o] = head_dot<V>(head.bias[o], head.weight + o * head.input_size, h, head.input_size);
  }
}

}  // namespace
}  // namespace peephole::kernels
