#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "kernels/simd/vec_baseline-inl.hpp"

/// Integers in 16 bytes; see int_avx2-inl.hpp for the interface.
namespace peephole::baseline {
namespace {

struct Integers {
  static constexpr bool quads = false;
  static constexpr int quad_offset = 0;
  using Float = Vec<float, /*kFused=*/true>;
  using Value = Integers;
  typedef std::int32_t Words __attribute__((vector_size(16)));
  typedef std::int16_t Shorts __attribute__((vector_size(16)));
  typedef std::int8_t Bytes __attribute__((vector_size(8)));
  Words v;  // sums; or four pairs of 16-bit integers

  static Integers sums(const std::int32_t* p) {
    Integers a;
    __builtin_memcpy(&a.v, p, sizeof a.v);
    return a;
  }
  static Integers zero() { return {Words{}}; }
  static Integers weights(const std::int16_t* p) {
    Integers a;
    __builtin_memcpy(&a.v, p, sizeof a.v);
    return a;
  }
  static Integers weights(const std::int8_t* p) {
    Bytes bytes;
    __builtin_memcpy(&bytes, p, sizeof bytes);
    return {reinterpret_cast<Words>(__builtin_convertvector(bytes, Shorts))};
  }
  static Integers factors(const std::int32_t* pair) { return {*pair - Words{}}; }

  static Integers add_products(Integers sum, Integers a, Integers b) {
#if defined(__SSE2__)
    const __m128i products =
        _mm_madd_epi16(reinterpret_cast<__m128i>(a.v), reinterpret_cast<__m128i>(b.v));
    return {sum.v + reinterpret_cast<Words>(products)};
#else
    return {sum.v + first(a.v) * first(b.v) + (a.v >> 16) * (b.v >> 16)};
#endif
  }
  static Integers magnitudes(Float a) { return {reinterpret_cast<Words>(abs(a).v)}; }
  friend Integers max(Integers a, Integers b) {
    const Words more = a.v > b.v;
    return {(a.v & more) | (b.v & ~more)};
  }
  friend std::int32_t largest_lane(Integers a) {
    std::int32_t most = a.v[0];
    for (int lane = 1; lane < 4; ++lane) most = a.v[lane] > most ? a.v[lane] : most;
    return most;
  }
  friend Float to_float(Integers sum) { return {__builtin_convertvector(sum.v, Float::Values)}; }

  static void store_rounded(Float a, std::int16_t* to) {
    // Adding it leaves the integer, which is far below 2^22, in the lowest bits.
    const Float to_integer = Float::broadcast(0x1.8p23f);
    const Words whole =
        reinterpret_cast<Words>((a + to_integer).v) - reinterpret_cast<Words>(to_integer.v);
    for (int lane = 0; lane < 4; ++lane) to[lane] = static_cast<std::int16_t>(whole[lane]);
  }

 private:
#if !defined(__SSE2__)
  static Words first(Words pairs) { return (pairs << 16) >> 16; }
#endif
};

}  // namespace
}  // namespace peephole::baseline
