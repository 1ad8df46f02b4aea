#pragma once

#include "kernels/plain/quantized_task.hpp"
#include "kernels/simd/tile-inl.hpp"

/// Rows of x, h and c as integers.
namespace peephole::kernels {
namespace {

/// Factors whose largest value is below this count as zeros: their quotients could overflow.
inline constexpr float kSmallestScaled = 1e-30f;

/// How a row of factors is stored.
template <class Integers>
struct StoredPairs {
  using Stored = std::int16_t;
  [[gnu::always_inline]] static void store(typename Integers::Float a, Stored* to) {
    Integers::store_rounded(a, to);
  }
};
template <class Integers>
struct StoredQuads {
  using Stored = std::uint8_t;
  [[gnu::always_inline]] static void store(typename Integers::Float a, Stored* to) {
    Integers::store_quads(a, to);
  }
};

/// factors (n,), rounded to integers in -most..most, in words; and their scale. If one of them is
/// not finite, the scale is NaN, and so is every sum that it is a factor of.
///
/// Integers is that of the instruction set: see int_avx2-inl.hpp. `words` has room for whole
/// vectors.
template <class As, class V>
[[gnu::always_inline]] inline float quantize_row(const float* factors, Index n, int most,
                                                 std::int32_t* words) {
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
  auto* const to = reinterpret_cast<typename As::Stored*>(words);
  if (!(scale == 0 && most_of_row >= kSmallestScaled)) {
    for (k = 0; k < n; k += kLanes) As::store(V::zero(), to + k);
    return scale;
  }
  const V factor = V::broadcast(static_cast<float>(most) / most_of_row);
  for (k = 0; k + kLanes <= n; k += kLanes) As::store(V::load(factors + k) * factor, to + k);
  if (k < n) As::store(V::load(factors + k, n - k) * factor, to + k);
  return most_of_row / static_cast<float>(most);
}

/// `count` rows (n,), `stride` elements apart, as the factors of `product`, into rows of `to` from
/// the first on.
template <class Integers, class V = typename Integers::Float>
[[gnu::noinline]] void quantize_rows(const float* factors, Index stride, Index count, Index n,
                                     const IntegerPanels& product, const FactorRows& to) {
  for (Index row = 0; row < count; ++row) {
    const float* const from = factors + row * stride;
    std::int32_t* const words = to.words + row * to.row_words;
    if constexpr (Integers::quads) {
      if (product.offsets != nullptr) {
        to.scales[row] = quantize_row<StoredQuads<Integers>, V>(from, n, product.most, words);
        continue;
      }
    }
    to.scales[row] = quantize_row<StoredPairs<Integers>, V>(from, n, product.most, words);
  }
}

}  // namespace
}  // namespace peephole::kernels
