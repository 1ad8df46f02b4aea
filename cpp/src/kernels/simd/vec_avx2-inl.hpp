#pragma once

#include <immintrin.h>

#include "peephole/types.hpp"

/// One AVX2 register of T, with FMA; see vec_avx512-inl.hpp for the interface.
namespace peephole::avx2 {
namespace {

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using Scalar = float;
  static constexpr Index lanes = 8;
  static constexpr int registers = 16;
  static constexpr bool fused = true;
  static constexpr bool quarters = false;
  static constexpr bool by_lane = false;
  __m256 v;

  static Vec zero() { return {_mm256_setzero_ps()}; }
  static Vec broadcast(float a) { return {_mm256_set1_ps(a)}; }
  static Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static Vec load(const float* p, Index n) { return {_mm256_maskload_ps(p, first(n))}; }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  void store(float* p, Index n) const {
    if (n == lanes) return store(p);  // AMD's processors take some 40 operations for a masked store
    _mm256_maskstore_ps(p, first(n), v);
  }

  friend Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
  friend Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
  friend Vec fnma(Vec a, Vec b, Vec c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }
  friend Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }
  friend Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
  friend Vec clamp_numbers(Vec a, Vec lowest, Vec highest) {
    const __m256i above = _mm256_min_epu32(_mm256_castps_si256(a.v), _mm256_castps_si256(lowest.v));
    return {_mm256_castsi256_ps(_mm256_min_epi32(above, _mm256_castps_si256(highest.v)))};
  }
  friend Vec keep_nan(Vec a, Vec b) {
    return {_mm256_or_ps(_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q), b.v)};
  }
  friend Vec abs(Vec a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
  friend Vec power_of_two(Vec a) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a.v), 23))};
  }
  friend float sum(Vec a) {
    const __m128 half = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
  }
  friend Vec select_less(Vec a, Vec b, Vec x, Vec y) {
    return {_mm256_blendv_ps(y.v, x.v, _mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ))};
  }
  friend Vec interleave_low(Vec a, Vec b) {
    return {
        _mm256_permute2f128_ps(_mm256_unpacklo_ps(a.v, b.v), _mm256_unpackhi_ps(a.v, b.v), 0x20)};
  }
  friend Vec interleave_high(Vec a, Vec b) {
    return {
        _mm256_permute2f128_ps(_mm256_unpacklo_ps(a.v, b.v), _mm256_unpackhi_ps(a.v, b.v), 0x31)};
  }

 private:
  static __m256i first(Index n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
  }
};

template <>
struct Vec<double> {
  using Scalar = double;
  static constexpr Index lanes = 4;
  static constexpr int registers = 16;
  static constexpr bool fused = true;
  static constexpr bool quarters = false;
  static constexpr bool by_lane = false;
  __m256d v;

  static Vec zero() { return {_mm256_setzero_pd()}; }
  static Vec broadcast(double a) { return {_mm256_set1_pd(a)}; }
  static Vec load(const double* p) { return {_mm256_loadu_pd(p)}; }
  static Vec load(const double* p, Index n) { return {_mm256_maskload_pd(p, first(n))}; }
  void store(double* p) const { _mm256_storeu_pd(p, v); }
  void store(double* p, Index n) const {
    if (n == lanes) return store(p);
    _mm256_maskstore_pd(p, first(n), v);
  }

  friend Vec operator+(Vec a, Vec b) { return {_mm256_add_pd(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm256_sub_pd(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm256_mul_pd(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {_mm256_div_pd(a.v, b.v)}; }
  friend Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_pd(a.v, b.v, c.v)}; }
  friend Vec fnma(Vec a, Vec b, Vec c) { return {_mm256_fnmadd_pd(a.v, b.v, c.v)}; }
  friend Vec min(Vec a, Vec b) { return {_mm256_min_pd(a.v, b.v)}; }
  friend Vec max(Vec a, Vec b) { return {_mm256_max_pd(a.v, b.v)}; }
  // AVX2 has no min of 64-bit integers; min and max keep NaN themselves.
  friend Vec clamp_numbers(Vec a, Vec lowest, Vec highest) { return max(lowest, min(highest, a)); }
  friend Vec keep_nan(Vec, Vec b) { return b; }
  friend Vec abs(Vec a) { return {_mm256_andnot_pd(_mm256_set1_pd(-0.0), a.v)}; }
  friend Vec power_of_two(Vec a) {
    return {_mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(a.v), 52))};
  }
  friend double sum(Vec a) {
    const __m128d half = _mm_add_pd(_mm256_castpd256_pd128(a.v), _mm256_extractf128_pd(a.v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
  }
  friend Vec select_less(Vec a, Vec b, Vec x, Vec y) {
    return {_mm256_blendv_pd(y.v, x.v, _mm256_cmp_pd(a.v, b.v, _CMP_LT_OQ))};
  }
  friend Vec interleave_low(Vec a, Vec b) {
    return {
        _mm256_permute2f128_pd(_mm256_unpacklo_pd(a.v, b.v), _mm256_unpackhi_pd(a.v, b.v), 0x20)};
  }
  friend Vec interleave_high(Vec a, Vec b) {
    return {
        _mm256_permute2f128_pd(_mm256_unpacklo_pd(a.v, b.v), _mm256_unpackhi_pd(a.v, b.v), 0x31)};
  }

 private:
  static __m256i first(Index n) {
    const __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), lane);
  }
};

}  // namespace
}  // namespace peephole::avx2
