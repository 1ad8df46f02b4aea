#pragma once

#include "kernels/plain/quantized_task.hpp"
#include "kernels/simd/tile-inl.hpp"

/// Rows of x, h and c as integers.
namespace peephole::kernels {
namespace {

/// Factors whose largest value is below this count as zeros: their quotients could overflow.
inline constexpr float kSmallestScaled = 1e-30f;

/// factors (n,), rounded to integers in -most..most, as pairs; and their scale. If one of them is
/// not finite, the scale is NaN, and so is every sum that it is a factor of.
///
/// Integers is that of the instruction set: see int_avx2-inl.hpp. `pairs` has room for whole
/// vectors.
template <class Integers, class V = typename Integers::Float>
[[gnu::always_inline]] inline float quantize_row(const float* factors, Index n, int most,
                                                 std::int32_t* pairs) {
  constexpr Index kLanes = V::lanes;
  V largest = V::zero(), not_finite = V::zero();
  const auto note = [&](V a) __attribute__((always_inline)) {
    largest = max(abs(a), largest);
    not_finite = fma(a, V::zero(), not_finite);  // 0, or NaN
  };
  Index k = 0;
  for (; k + kLanes <= n; k += kLanes) note(V::load(factors + k));
  if (k < n) note(V::load(factors + k, n - k));
  alignas(64) float lanes[2][kLanes];
  largest.store(lanes[0]);
  not_finite.store(lanes[1]);
  float most_of_row = 0, scale = 0;
  for (Index lane = 0; lane < kLanes; ++lane) {
    most_of_row = lanes[0][lane] > most_of_row ? lanes[0][lane] : most_of_row;
    scale = scale + lanes[1][lane];
  }
  const bool scaled = scale == 0 && most_of_row >= kSmallestScaled;
  const V factor = V::broadcast(scaled ? static_cast<float>(most) / most_of_row : 0);
  const V zero = V::zero();
  auto* to = reinterpret_cast<std::int16_t*>(pairs);
  if (!scaled) {
    for (k = 0; k < n; k += kLanes) Integers::store_rounded(zero, to + k);
    return scale;
  }
  for (k = 0; k + kLanes <= n; k += kLanes) {
    Integers::store_rounded(V::load(factors + k) * factor, to + k);
  }
  if (k < n) Integers::store_rounded(V::load(factors + k, n - k) * factor, to + k);
  return most_of_row / static_cast<float>(most);
}

/// `count` rows, `stride` elements apart, into rows of `to` from the first on.
template <class Integers>
[[gnu::noinline]] void quantize_rows(const float* factors, Index stride, Index count, Index n,
                                     int most, const FactorRows& to) {
  for (Index row = 0; row < count; ++row) {
    to.scales[row] =
        quantize_row<Integers>(factors + row * stride, n, most, to.pairs + row * to.words);
  }
}

}  // namespace
}  // namespace peephole::kernels
