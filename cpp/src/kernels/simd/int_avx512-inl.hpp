#pragma once

#include "kernels/simd/vec_avx512-inl.hpp"

/// Integers in an AVX-512 register; see int_avx2-inl.hpp for the interface.
namespace peephole::avx512 {
namespace {

struct Integers {
  using Float = Vec<float>;
  __m512i v;

  static Integers zero() { return {_mm512_setzero_si512()}; }
  static Integers weights(const std::int16_t* p) { return {_mm512_loadu_si512(p)}; }
  static Integers weights(const std::int8_t* p) {
    return {_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static Integers factors(const std::int32_t* pair) { return {_mm512_set1_epi32(*pair)}; }

  friend Integers add_products(Integers sum, Integers a, Integers b) {
    return {_mm512_add_epi32(sum.v, _mm512_madd_epi16(a.v, b.v))};
  }
  friend Float to_float(Integers sum) { return {_mm512_cvtepi32_ps(sum.v)}; }

  static void store_rounded(Float a, std::int16_t* to) {
    const __m256i packed = _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(a.v));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), packed);
  }
};

}  // namespace
}  // namespace peephole::avx512
