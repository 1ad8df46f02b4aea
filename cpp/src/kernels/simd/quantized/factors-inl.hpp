#pragma once

#include "kernels/plain/quantized_task.hpp"
#include "kernels/simd/tile-inl.hpp"

/// Rows of x, h and c as integers.
namespace peephole::kernels {
namespace {

/// Rows whose largest value is below this count as zeros: their quotients could overflow.
inline constexpr float kSmallestScaled = 1e-30f;
inline constexpr std::int32_t kBitsOfInfinity = 0x7f800000;

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
template <class As, class Integers>
[[gnu::always_inline]] inline float quantize_row(const float* factors, Index n, int most,
                                                 std::int32_t* words) {
  using V = typename Integers::Float;
  constexpr Index kLanes = V::lanes;
  typename Integers::Value magnitudes = Integers::zero();
  Index k = 0;
  for (; k + kLanes <= n; k += kLanes) {
    magnitudes = max(magnitudes, Integers::magnitudes(V::load(factors + k)));
  }
  if (k < n) magnitudes = max(magnitudes, Integers::magnitudes(V::load(factors + k, n - k)));
  const std::int32_t bits = largest_lane(magnitudes);
  float largest;
  __builtin_memcpy(&largest, &bits, sizeof largest);
  auto* const to = reinterpret_cast<typename As::Stored*>(words);
  if (bits >= kBitsOfInfinity || largest < kSmallestScaled) {
    for (k = 0; k < n; k += kLanes) As::store(V::zero(), to + k);
    return bits >= kBitsOfInfinity ? __builtin_nanf("") : 0.0f;
  }
  const V factor = V::broadcast(static_cast<float>(most) / largest);
  for (k = 0; k + kLanes <= n; k += kLanes) As::store(V::load(factors + k) * factor, to + k);
  if (k < n) As::store(V::load(factors + k, n - k) * factor, to + k);
  return largest / static_cast<float>(most);
}

/// `count` rows (n,), `stride` elements apart, as the factors of `product`, into rows of `to` from
/// the first on.
template <class Integers>
[[gnu::noinline]] void quantize_rows(const float* factors, Index stride, Index count, Index n,
                                     const IntegerPanels& product, const FactorRows& to) {
  for (Index row = 0; row < count; ++row) {
    const float* const from = factors + row * stride;
    std::int32_t* const words = to.words + row * to.row_words;
    if constexpr (Integers::quads) {
      if (product.offsets != nullptr) {
        to.scales[row] =
            quantize_row<StoredQuads<Integers>, Integers>(from, n, product.most, words);
        continue;
      }
    }
    to.scales[row] = quantize_row<StoredPairs<Integers>, Integers>(from, n, product.most, words);
  }
}

}  // namespace
}  // namespace peephole::kernels
