#pragma once

#include <arm_neon.h>

#include "peephole/types.hpp"

/// One NEON register of T, on 64-bit ARM; see vec_avx512-inl.hpp for the interface.
///
/// min and max return NaN if either operand is NaN. Callers have NaN only in the second, where the
/// other instruction sets keep it as well.
namespace peephole::neon {
namespace {

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using Scalar = float;
  static constexpr Index lanes = 4;
  static constexpr int registers = 32;
  static constexpr bool fused = true;
  static constexpr bool quarters = false;
  static constexpr bool by_lane = true;
  float32x4_t v;

  static Vec zero() { return {vdupq_n_f32(0)}; }
  static Vec broadcast(float a) { return {vdupq_n_f32(a)}; }
  static Vec load(const float* p) { return {vld1q_f32(p)}; }
  static Vec load(const float* p, Index n) {
    switch (n) {
      case 0: return zero();
      case 1: return {vsetq_lane_f32(p[0], zero().v, 0)};
      case 2: return {vcombine_f32(vld1_f32(p), vdup_n_f32(0))};
      case 3: return {vld1q_lane_f32(p + 2, vcombine_f32(vld1_f32(p), vdup_n_f32(0)), 2)};
      default: return load(p);
    }
  }
  void store(float* p) const { vst1q_f32(p, v); }
  void store(float* p, Index n) const {
    switch (n) {
      case 0: return;
      case 1: return vst1q_lane_f32(p, v, 0);
      case 2: return vst1_f32(p, vget_low_f32(v));
      case 3: vst1_f32(p, vget_low_f32(v)); return vst1q_lane_f32(p + 2, v, 2);
      default: return store(p);
    }
  }

  friend Vec operator+(Vec a, Vec b) { return {vaddq_f32(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {vsubq_f32(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {vmulq_f32(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {vdivq_f32(a.v, b.v)}; }
  friend Vec fma(Vec a, Vec b, Vec c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
  friend Vec fnma(Vec a, Vec b, Vec c) { return {vfmsq_f32(c.v, a.v, b.v)}; }
  template <int lane>
  [[gnu::always_inline]] static Vec fma_by_lane(Vec a, Vec b, Vec c) {
    return {vfmaq_laneq_f32(c.v, a.v, b.v, lane)};
  }
  friend Vec min(Vec a, Vec b) { return {vminq_f32(a.v, b.v)}; }
  friend Vec max(Vec a, Vec b) { return {vmaxq_f32(a.v, b.v)}; }
  // min and max take 2 cycles and keep NaN themselves.
  friend Vec clamp_numbers(Vec a, Vec lowest, Vec highest) { return max(lowest, min(highest, a)); }
  friend Vec keep_nan(Vec, Vec b) { return b; }
  friend Vec abs(Vec a) { return {vabsq_f32(a.v)}; }
  friend Vec power_of_two(Vec a) {
    return {vreinterpretq_f32_s32(vshlq_n_s32(vreinterpretq_s32_f32(a.v), 23))};
  }
  friend float sum(Vec a) { return vpadds_f32(vadd_f32(vget_low_f32(a.v), vget_high_f32(a.v))); }
  friend Vec select_less(Vec a, Vec b, Vec x, Vec y) {
    return {vbslq_f32(vcltq_f32(a.v, b.v), x.v, y.v)};
  }
  friend Vec interleave_low(Vec a, Vec b) { return {vzip1q_f32(a.v, b.v)}; }
  friend Vec interleave_high(Vec a, Vec b) { return {vzip2q_f32(a.v, b.v)}; }
};

template <>
struct Vec<double> {
  using Scalar = double;
  static constexpr Index lanes = 2;
  static constexpr int registers = 32;
  static constexpr bool fused = true;
  static constexpr bool quarters = false;
  static constexpr bool by_lane = true;
  float64x2_t v;

  static Vec zero() { return {vdupq_n_f64(0)}; }
  static Vec broadcast(double a) { return {vdupq_n_f64(a)}; }
  static Vec load(const double* p) { return {vld1q_f64(p)}; }
  static Vec load(const double* p, Index n) {
    switch (n) {
      case 0: return zero();
      case 1: return {vcombine_f64(vld1_f64(p), vdup_n_f64(0))};
      default: return load(p);
    }
  }
  void store(double* p) const { vst1q_f64(p, v); }
  void store(double* p, Index n) const {
    switch (n) {
      case 0: return;
      case 1: return vst1_f64(p, vget_low_f64(v));
      default: return store(p);
    }
  }

  friend Vec operator+(Vec a, Vec b) { return {vaddq_f64(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {vsubq_f64(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {vmulq_f64(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {vdivq_f64(a.v, b.v)}; }
  friend Vec fma(Vec a, Vec b, Vec c) { return {vfmaq_f64(c.v, a.v, b.v)}; }
  friend Vec fnma(Vec a, Vec b, Vec c) { return {vfmsq_f64(c.v, a.v, b.v)}; }
  template <int lane>
  [[gnu::always_inline]] static Vec fma_by_lane(Vec a, Vec b, Vec c) {
    return {vfmaq_laneq_f64(c.v, a.v, b.v, lane)};
  }
  friend Vec min(Vec a, Vec b) { return {vminq_f64(a.v, b.v)}; }
  friend Vec max(Vec a, Vec b) { return {vmaxq_f64(a.v, b.v)}; }
  friend Vec clamp_numbers(Vec a, Vec lowest, Vec highest) { return max(lowest, min(highest, a)); }
  friend Vec keep_nan(Vec, Vec b) { return b; }
  friend Vec abs(Vec a) { return {vabsq_f64(a.v)}; }
  friend Vec power_of_two(Vec a) {
    return {vreinterpretq_f64_s64(vshlq_n_s64(vreinterpretq_s64_f64(a.v), 52))};
  }
  friend double sum(Vec a) { return vpaddd_f64(a.v); }
  friend Vec select_less(Vec a, Vec b, Vec x, Vec y) {
    return {vbslq_f64(vcltq_f64(a.v, b.v), x.v, y.v)};
  }
  friend Vec interleave_low(Vec a, Vec b) { return {vzip1q_f64(a.v, b.v)}; }
  friend Vec interleave_high(Vec a, Vec b) { return {vzip2q_f64(a.v, b.v)}; }
};

}  // namespace
}  // namespace peephole::neon
