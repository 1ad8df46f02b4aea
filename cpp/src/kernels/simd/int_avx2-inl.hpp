#pragma once

#include "kernels/simd/vec_avx2-inl.hpp"

/// Integers in an AVX2 register.
namespace peephole::avx2 {
namespace {

/// Sums in 32 bits, one a lane of Float, of products of pairs of 16-bit integers. The interface is
/// the same for every instruction set. The structs for instructions that only some processors have
/// derive from it and replace some functions; their vectors are Integers, too, which Value names.
struct Integers {
  static constexpr bool quads = false;  // whether there are quads_of(), add_quads(), store_quads()
  static constexpr int quad_offset = 0;
  using Float = Vec<float>;
  using Value = Integers;
  __m256i v;

  static Integers sums(const std::int32_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
  }
  static Integers zero() { return {_mm256_setzero_si256()}; }
  /// A pair for each lane: (lanes, 2).
  static Integers weights(const std::int16_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
  }
  static Integers weights(const std::int8_t* p) {
    return {_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  /// One pair for all lanes.
  static Integers factors(const std::int32_t* pair) { return {_mm256_set1_epi32(*pair)}; }

  /// sum + a[0] b[0] + a[1] b[1] in each lane
  static Integers add_products(Integers sum, Integers a, Integers b) {
    return {_mm256_add_epi32(sum.v, _mm256_madd_epi16(a.v, b.v))};
  }
  /// The bits of |a|, which are in the order of the numbers; infinity and NaN have the largest.
  static Integers magnitudes(Float a) { return {_mm256_castps_si256(abs(a).v)}; }
  friend Integers max(Integers a, Integers b) { return {_mm256_max_epi32(a.v, b.v)}; }
  friend std::int32_t largest_lane(Integers a) {
    __m128i most = _mm_max_epi32(_mm256_castsi256_si128(a.v), _mm256_extracti128_si256(a.v, 1));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0b01'00'11'10));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0b10'11'00'01));
    return _mm_cvtsi128_si32(most);
  }
  friend Float to_float(Integers sum) { return {_mm256_cvtepi32_ps(sum.v)}; }

  /// to (lanes,) = a, rounded to the nearest integers, ties to even; within 16 bits.
  static void store_rounded(Float a, std::int16_t* to) {
    const __m256i whole = _mm256_cvtps_epi32(a.v);
    const __m128i packed =
        _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), packed);
  }
};

#if defined(PEEPHOLE_HAS_AVX_VNNI)
/// The same for processors with AVX-VNNI; see VnniIntegers in int_avx512-inl.hpp. {vex} chooses its
/// encoding, since that of AVX-512 has the same names.
struct VnniIntegers : Integers {
  static constexpr bool quads = true;
  static constexpr int quad_offset = 128;

  static Integers add_products(Integers sum, Integers a, Integers b) {
    __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum.v) : "x"(a.v), "x"(b.v));
    return sum;
  }

  /// Four weights for each lane: (lanes, 4).
  static Integers quads_of(const std::int8_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
  }
  /// sum + a[0] b[0] + ... + a[3] b[3] in each lane, b unsigned
  static Integers add_quads(Integers sum, Integers a, Integers b) {
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum.v) : "x"(b.v), "x"(a.v));
    return sum;
  }
  /// to (lanes,) = a + quad_offset, rounded.
  static void store_quads(Float a, std::uint8_t* to) {
    const __m256i whole = _mm256_add_epi32(_mm256_cvtps_epi32(a.v), _mm256_set1_epi32(128));
    const __m128i pairs =
        _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(pairs, pairs));
  }
};
#endif

}  // namespace
}  // namespace peephole::avx2
