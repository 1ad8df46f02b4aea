#pragma once

#include "kernels/simd/vec_neon-inl.hpp"

/// Integers in a NEON register; see int_avx2-inl.hpp for the interface.
namespace peephole::neon {
namespace {

struct Integers {
  static constexpr bool quads = false;
  static constexpr int quad_offset = 0;
  using Float = Vec<float>;
  using Value = Integers;
  int32x4_t v;  // sums; or four pairs of 16-bit integers

  static Integers sums(const std::int32_t* p) { return {vld1q_s32(p)}; }
  static Integers zero() { return {vdupq_n_s32(0)}; }
  static Integers weights(const std::int16_t* p) { return {vreinterpretq_s32_s16(vld1q_s16(p))}; }
  static Integers weights(const std::int8_t* p) {
    return {vreinterpretq_s32_s16(vmovl_s8(vld1_s8(p)))};
  }
  static Integers factors(const std::int32_t* pair) { return {vdupq_n_s32(*pair)}; }

  static Integers add_products(Integers sum, Integers a, Integers b) {
    const int16x8_t x = vreinterpretq_s16_s32(a.v), y = vreinterpretq_s16_s32(b.v);
    const int32x4_t low = vmull_s16(vget_low_s16(x), vget_low_s16(y));
    return {vaddq_s32(sum.v, vpaddq_s32(low, vmull_high_s16(x, y)))};
  }
  static Integers magnitudes(Float a) { return {vreinterpretq_s32_f32(abs(a).v)}; }
  friend Integers max(Integers a, Integers b) { return {vmaxq_s32(a.v, b.v)}; }
  friend std::int32_t largest_lane(Integers a) { return vmaxvq_s32(a.v); }
  friend Float to_float(Integers sum) { return {vcvtq_f32_s32(sum.v)}; }

  static void store_rounded(Float a, std::int16_t* to) {
    vst1_s16(to, vmovn_s32(vcvtnq_s32_f32(a.v)));
  }
};

/// The same for processors with dot products of 8 bits, which are signed. The instruction is
/// written as text, since the files of a set are compiled for all processors of the set.
struct DotIntegers : Integers {
  static constexpr bool quads = true;
  static constexpr int quad_offset = 0;

  /// Four weights for each lane: (lanes, 4).
  static Integers quads_of(const std::int8_t* p) { return {vreinterpretq_s32_s8(vld1q_s8(p))}; }
  /// sum + a[0] b[0] + ... + a[3] b[3] in each lane
  static Integers add_quads(Integers sum, Integers a, Integers b) {
    __asm__(".arch armv8.2-a+dotprod\n\tsdot %0.4s, %1.16b, %2.16b"
            : "+w"(sum.v)
            : "w"(a.v), "w"(b.v));
    return sum;
  }
  /// to (lanes,) = a, rounded; signed integers in spite of the type.
  static void store_quads(Float a, std::uint8_t* to) {
    const int16x4_t whole = vmovn_s32(vcvtnq_s32_f32(a.v));
    const int8x8_t bytes = vmovn_s16(vcombine_s16(whole, whole));
    vst1_lane_s32(reinterpret_cast<std::int32_t*>(to), vreinterpret_s32_s8(bytes), 0);
  }
};

}  // namespace
}  // namespace peephole::neon
