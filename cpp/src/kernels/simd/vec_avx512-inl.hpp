#pragma once

#include <immintrin.h>

#include "peephole/types.hpp"

/// One AVX-512 register of T. The interface is the same for every instruction set. All of it has
/// internal linkage, so that the linker cannot replace a function of one set by that of another.
///
/// min and max return the second operand if either is NaN.
namespace peephole::avx512 {
namespace {

template <class T>
struct Vec;

template <int kLanes>
struct PartRegister;
template <>
struct PartRegister<8> {
  using Type = __m256;
};
template <>
struct PartRegister<4> {
  using Type = __m128;
};

/// A half or a quarter of a register: divisions of fewer lanes are faster.
template <int kLanes>
struct Part {
  using Scalar = float;
  using Values = typename PartRegister<kLanes>::Type;
  static constexpr Index lanes = kLanes;
  static constexpr bool fused = true;
  static constexpr bool is_half = kLanes == 8;
  Values v;

  static Part broadcast(float a) { return {a - Values{}}; }  // a - 0 keeps the sign of -0
  static Part load(const float* p) {
    if constexpr (is_half)
      return {_mm256_loadu_ps(p)};
    else
      return {_mm_loadu_ps(p)};
  }
  void store(float* p) const {
    if constexpr (is_half)
      _mm256_storeu_ps(p, v);
    else
      _mm_storeu_ps(p, v);
  }

  friend Part operator+(Part a, Part b) { return {a.v + b.v}; }
  friend Part operator-(Part a, Part b) { return {a.v - b.v}; }
  friend Part operator*(Part a, Part b) { return {a.v * b.v}; }
  friend Part operator/(Part a, Part b) { return {a.v / b.v}; }
  friend Part fma(Part a, Part b, Part c) {
    if constexpr (is_half)
      return {_mm256_fmadd_ps(a.v, b.v, c.v)};
    else
      return {_mm_fmadd_ps(a.v, b.v, c.v)};
  }
  friend Part fnma(Part a, Part b, Part c) {
    if constexpr (is_half)
      return {_mm256_fnmadd_ps(a.v, b.v, c.v)};
    else
      return {_mm_fnmadd_ps(a.v, b.v, c.v)};
  }
  friend Part clamp_numbers(Part a, Part lowest, Part highest) {
    if constexpr (is_half) {
      const __m256i above = _mm256_min_epu32(bits(a), bits(lowest));
      return {_mm256_castsi256_ps(_mm256_min_epi32(above, bits(highest)))};
    } else {
      const __m128i above = _mm_min_epu32(bits(a), bits(lowest));
      return {_mm_castsi128_ps(_mm_min_epi32(above, bits(highest)))};
    }
  }
  friend Part keep_nan(Part a, Part b) {
    if constexpr (is_half) {
      return {_mm256_mask_mov_ps(b.v, _mm256_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), a.v)};
    } else {
      return {_mm_mask_mov_ps(b.v, _mm_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), a.v)};
    }
  }
  friend Part power_of_two(Part a) {
    if constexpr (is_half)
      return {_mm256_castsi256_ps(_mm256_slli_epi32(bits(a), 23))};
    else
      return {_mm_castsi128_ps(_mm_slli_epi32(bits(a), 23))};
  }

 private:
  static auto bits(Part a) {
    if constexpr (is_half)
      return _mm256_castps_si256(a.v);
    else
      return _mm_castps_si128(a.v);
  }
};

template <>
struct Vec<float> {
  using Scalar = float;
  static constexpr Index lanes = 16;
  static constexpr int registers = 32;
  static constexpr bool fused = true;     // fma rounds once
  static constexpr bool quarters = true;  // there are parts, and operations on them
  static constexpr bool by_lane = false;  // there is fma_by_lane<n>(a, b, c): a b[n] + c
  using Half = Part<8>;
  using Quarter = Part<4>;
  __m512 v;

  static Vec zero() { return {_mm512_setzero_ps()}; }
  static Vec broadcast(float a) { return {_mm512_set1_ps(a)}; }
  static Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  /// The first n lanes, 0 <= n <= lanes; the others are 0, and their memory is not touched.
  static Vec load(const float* p, Index n) { return {_mm512_maskz_loadu_ps(first(n), p)}; }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store(float* p, Index n) const { _mm512_mask_storeu_ps(p, first(n), v); }

  friend Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
  /// a b + c
  friend Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  /// c - a b
  friend Vec fnma(Vec a, Vec b, Vec c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
  friend Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
  friend Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
  /// min(highest, max(lowest, a)), for lowest < 0 < highest; NaN becomes one of them. With integer
  /// operations of 1 cycle each, where min and max take 4.
  friend Vec clamp_numbers(Vec a, Vec lowest, Vec highest) {
    // As unsigned integers, negative numbers are the largest, and larger the further from 0.
    const __m512i above = _mm512_min_epu32(_mm512_castps_si512(a.v), _mm512_castps_si512(lowest.v));
    return {_mm512_castsi512_ps(_mm512_min_epi32(above, _mm512_castps_si512(highest.v)))};
  }
  /// a where it is NaN, else b
  friend Vec keep_nan(Vec a, Vec b) {
    return {_mm512_mask_mov_ps(b.v, _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), a.v)};
  }
  friend Vec abs(Vec a) { return {_mm512_abs_ps(a.v)}; }
  /// The number whose biased exponent is the lowest bits of a.
  friend Vec power_of_two(Vec a) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a.v), 23))};
  }
  /// The sum of all lanes, by halves: the upper half is added to the lower, and so on.
  friend float sum(Vec a) { return _mm512_reduce_add_ps(a.v); }
  /// a < b ? x : y
  friend Vec select_less(Vec a, Vec b, Vec x, Vec y) {
    return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), y.v, x.v)};
  }

  /// a0 b0 a1 b1 ... of the lower halves.
  friend Vec interleave_low(Vec a, Vec b) {
    const __m512i lanes_of_both =
        _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    return {_mm512_permutex2var_ps(a.v, lanes_of_both, b.v)};
  }
  /// The same of the upper halves.
  friend Vec interleave_high(Vec a, Vec b) {
    const __m512i lanes_of_both =
        _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    return {_mm512_permutex2var_ps(a.v, lanes_of_both, b.v)};
  }

  /// The first quarters of four vectors in memory, side by side.
  [[gnu::always_inline]] static Vec load_quarters(const float* p) {
    __m512 a = _mm512_castps128_ps512(_mm_loadu_ps(p));
    a = _mm512_insertf32x4(a, _mm_loadu_ps(p + lanes), 1);
    a = _mm512_insertf32x4(a, _mm_loadu_ps(p + 2 * lanes), 2);
    return {_mm512_insertf32x4(a, _mm_loadu_ps(p + 3 * lanes), 3)};
  }
  /// The same numbers in all lanes of a quarter.
  [[gnu::always_inline]] static Vec of_quarters(float a, float b, float c, float d) {
    return {_mm512_setr_ps(a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d)};
  }
  /// The first halves of two vectors in memory, side by side.
  [[gnu::always_inline]] static Vec load_halves(const float* low, const float* high) {
    return {
        _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(low)), _mm256_loadu_ps(high), 1)};
  }
  [[gnu::always_inline]] static Vec repeat(Quarter a) { return {_mm512_broadcast_f32x4(a.v)}; }
  [[gnu::always_inline]] static Vec repeat(Half a) { return {_mm512_broadcast_f32x8(a.v)}; }
  /// A part, and zeros beyond.
  [[gnu::always_inline]] static Vec widen(Quarter a) { return {_mm512_zextps128_ps512(a.v)}; }
  [[gnu::always_inline]] static Vec widen(Half a) { return {_mm512_zextps256_ps512(a.v)}; }

  template <int n>
  [[gnu::always_inline]] Quarter quarter() const {
    if constexpr (n == 0)
      return {_mm512_castps512_ps128(v)};
    else
      return {_mm512_extractf32x4_ps(v, n)};
  }
  template <int n>
  [[gnu::always_inline]] Half half() const {
    if constexpr (n == 0)
      return {_mm512_castps512_ps256(v)};
    else
      return {_mm512_extractf32x8_ps(v, n)};
  }

 private:
  static __mmask16 first(Index n) { return static_cast<__mmask16>((1u << n) - 1u); }
};

template <>
struct Vec<double> {
  using Scalar = double;
  static constexpr Index lanes = 8;
  static constexpr int registers = 32;
  static constexpr bool fused = true;
  static constexpr bool quarters = false;
  static constexpr bool by_lane = false;
  __m512d v;

  static Vec zero() { return {_mm512_setzero_pd()}; }
  static Vec broadcast(double a) { return {_mm512_set1_pd(a)}; }
  static Vec load(const double* p) { return {_mm512_loadu_pd(p)}; }
  static Vec load(const double* p, Index n) { return {_mm512_maskz_loadu_pd(first(n), p)}; }
  void store(double* p) const { _mm512_storeu_pd(p, v); }
  void store(double* p, Index n) const { _mm512_mask_storeu_pd(p, first(n), v); }

  friend Vec operator+(Vec a, Vec b) { return {_mm512_add_pd(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm512_sub_pd(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm512_mul_pd(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {_mm512_div_pd(a.v, b.v)}; }
  friend Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
  friend Vec fnma(Vec a, Vec b, Vec c) { return {_mm512_fnmadd_pd(a.v, b.v, c.v)}; }
  friend Vec min(Vec a, Vec b) { return {_mm512_min_pd(a.v, b.v)}; }
  friend Vec max(Vec a, Vec b) { return {_mm512_max_pd(a.v, b.v)}; }
  friend Vec clamp_numbers(Vec a, Vec lowest, Vec highest) {
    const __m512i above = _mm512_min_epu64(_mm512_castpd_si512(a.v), _mm512_castpd_si512(lowest.v));
    return {_mm512_castsi512_pd(_mm512_min_epi64(above, _mm512_castpd_si512(highest.v)))};
  }
  friend Vec keep_nan(Vec a, Vec b) {
    return {_mm512_mask_mov_pd(b.v, _mm512_cmp_pd_mask(a.v, a.v, _CMP_UNORD_Q), a.v)};
  }
  friend Vec abs(Vec a) { return {_mm512_abs_pd(a.v)}; }
  friend Vec power_of_two(Vec a) {
    return {_mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(a.v), 52))};
  }
  friend double sum(Vec a) { return _mm512_reduce_add_pd(a.v); }
  friend Vec select_less(Vec a, Vec b, Vec x, Vec y) {
    return {_mm512_mask_blend_pd(_mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ), y.v, x.v)};
  }
  friend Vec interleave_low(Vec a, Vec b) {
    const __m512i lanes_of_both = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
    return {_mm512_permutex2var_pd(a.v, lanes_of_both, b.v)};
  }
  friend Vec interleave_high(Vec a, Vec b) {
    const __m512i lanes_of_both = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
    return {_mm512_permutex2var_pd(a.v, lanes_of_both, b.v)};
  }

 private:
  static __mmask8 first(Index n) { return static_cast<__mmask8>((1u << n) - 1u); }
};

}  // namespace
}  // namespace peephole::avx512
