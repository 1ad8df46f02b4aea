#pragma once

#include "kernels/simd/vec_avx512-inl.hpp"

/// Integers in an AVX-512 register; see int_avx2-inl.hpp for the interface.
namespace peephole::avx512 {
namespace {

struct Integers {
  static constexpr bool quads = false;
  static constexpr int quad_offset = 0;
  using Float = Vec<float>;
  using Value = Integers;
  __m512i v;

  static Integers sums(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }
  static Integers zero() { return {_mm512_setzero_si512()}; }
  static Integers weights(const std::int16_t* p) { return {_mm512_loadu_si512(p)}; }
  static Integers weights(const std::int8_t* p) {
    return {_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static Integers factors(const std::int32_t* pair) { return {_mm512_set1_epi32(*pair)}; }

  static Integers add_products(Integers sum, Integers a, Integers b) {
    return {_mm512_add_epi32(sum.v, _mm512_madd_epi16(a.v, b.v))};
  }
  static Integers magnitudes(Float a) { return {_mm512_castps_si512(abs(a).v)}; }
  friend Integers max(Integers a, Integers b) { return {_mm512_max_epi32(a.v, b.v)}; }
  friend std::int32_t largest_lane(Integers a) { return _mm512_reduce_max_epi32(a.v); }
  friend Float to_float(Integers sum) { return {_mm512_cvtepi32_ps(sum.v)}; }

  static void store_rounded(Float a, std::int16_t* to) {
    const __m256i packed = _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(a.v));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), packed);
  }
};

/// The same for processors with AVX512_VNNI. Its instructions are written as text: GCC 12 would
/// spill the sums around its intrinsics, and the files of a set are compiled for all processors of
/// the set.
struct VnniIntegers : Integers {
  static constexpr bool quads = true;
  static constexpr int quad_offset = 128;

  static Integers add_products(Integers sum, Integers a, Integers b) {
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum.v) : "v"(a.v), "v"(b.v));
    return sum;
  }

  /// Four weights for each lane: (lanes, 4).
  static Integers quads_of(const std::int8_t* p) { return {_mm512_loadu_si512(p)}; }
  /// sum + a[0] b[0] + ... + a[3] b[3] in each lane, b unsigned
  static Integers add_quads(Integers sum, Integers a, Integers b) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum.v) : "v"(b.v), "v"(a.v));
    return sum;
  }
  /// to (lanes,) = a + quad_offset, rounded.
  static void store_quads(Float a, std::uint8_t* to) {
    const __m512i whole = _mm512_add_epi32(_mm512_cvtps_epi32(a.v), _mm512_set1_epi32(128));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(whole));
  }
};

}  // namespace
}  // namespace peephole::avx512
