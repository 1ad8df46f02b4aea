#pragma once

#include <cstdint>

#include "peephole/types.hpp"

/// 16 bytes of T, in the vector extensions of GCC and Clang: SSE2 on x86-64, NEON on arm64, and
/// on other processors what the compiler makes of them. See vec_avx512-inl.hpp for the interface.
///
/// fma rounds twice: x86-64 has no fused operation in its baseline, and these files are compiled
/// without contraction, so that the bits do not depend on the compiler. With `kFused` it rounds
/// once, as on other instruction sets, for quantized models, which have the same bits on all of
/// them.
namespace peephole::baseline {
namespace {

template <class T>
struct Bits;

template <>
struct Bits<float> {
  using Int = std::int32_t;
  static constexpr int mantissa = 23;
};

template <>
struct Bits<double> {
  using Int = std::int64_t;
  static constexpr int mantissa = 52;
};

/// a b + c, rounded once. The product is exact in double, and the sum is rounded to odd before it
/// is rounded to float (S. Boldo, G. Melquiond, "Emulation of a FMA and correctly rounded sums",
/// IEEE Transactions on Computers 57 (2008), doi:10.1109/TC.2007.70819). Some 20 instructions: not
/// inlined, since they would be a third of a program that holds all kernels.
template <class Values>
[[gnu::noinline]] Values fused_multiply_add(Values a, Values b, Values c) {
  typedef double Doubles __attribute__((vector_size(32)));
  typedef std::int64_t Bits64 __attribute__((vector_size(32)));
  const Doubles product = __builtin_convertvector(a, Doubles) * __builtin_convertvector(b, Doubles);
  const Doubles addend = __builtin_convertvector(c, Doubles);
  Doubles sum = product + addend;
  const Doubles of_addend = sum - product;
  const Doubles error = (product - (sum - of_addend)) + (addend - of_addend);  // exact
  const Bits64 bits = reinterpret_cast<Bits64>(sum);
  // The even neighbour was chosen though it is not exact: take the odd one on the side of the
  // error.
  const Bits64 wrong = (error != 0) & (error == error) & ((bits & 1) == 0);
  const Bits64 away = (reinterpret_cast<Bits64>(error) ^ bits) < 0;  // -1: towards 0
  sum = reinterpret_cast<Doubles>(bits + (wrong & (1 + 2 * away)));
  return __builtin_convertvector(sum, Values);
}

template <class T, bool kFused = false>
struct Vec {
  using Scalar = T;
  using Int = typename Bits<T>::Int;
  typedef T Values __attribute__((vector_size(16)));
  typedef Int Ints __attribute__((vector_size(16)));
  static constexpr Index lanes = 16 / sizeof(T);
  static constexpr int registers = kFused ? 8 : 16;  // fma needs some of its own
  static constexpr bool fused = kFused;
  static constexpr bool quarters = false;
  static constexpr bool by_lane = false;
  Values v;

  static Vec zero() { return {Values{}}; }
  static Vec broadcast(T a) { return {a - Values{}}; }  // a - 0 keeps the sign of -0
  static Vec load(const T* p) {
    Vec a;
    __builtin_memcpy(&a.v, p, sizeof a.v);
    return a;
  }
  static Vec load(const T* p, Index n) {
    Vec a = zero();
    for (Index lane = 0; lane < n; ++lane) a.v[lane] = p[lane];
    return a;
  }
  void store(T* p) const { __builtin_memcpy(p, &v, sizeof v); }
  void store(T* p, Index n) const {
    if (n == lanes) return store(p);
    for (Index lane = 0; lane < n; ++lane) p[lane] = v[lane];
  }

  friend Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
  friend Vec operator-(Vec a, Vec b) { return {a.v - b.v}; }
  friend Vec operator*(Vec a, Vec b) { return {a.v * b.v}; }
  friend Vec operator/(Vec a, Vec b) { return {a.v / b.v}; }
  friend Vec fma(Vec a, Vec b, Vec c) {
    if constexpr (kFused) {
      return {fused_multiply_add(a.v, b.v, c.v)};
    } else {
      return {a.v * b.v + c.v};
    }
  }
  friend Vec fnma(Vec a, Vec b, Vec c) {
    if constexpr (kFused) {
      return {fused_multiply_add(-a.v, b.v, c.v)};
    } else {
      return {c.v - a.v * b.v};
    }
  }
  friend Vec min(Vec a, Vec b) { return {a.v < b.v ? a.v : b.v}; }
  friend Vec max(Vec a, Vec b) { return {a.v > b.v ? a.v : b.v}; }
  // No integers to compare: min and max keep NaN themselves.
  friend Vec clamp_numbers(Vec a, Vec lowest, Vec highest) { return max(lowest, min(highest, a)); }
  friend Vec keep_nan(Vec, Vec b) { return b; }
  friend Vec abs(Vec a) {
    constexpr Int all_but_sign = static_cast<Int>(~(std::uint64_t{1} << (8 * sizeof(T) - 1)));
    return {reinterpret_cast<Values>(reinterpret_cast<Ints>(a.v) & all_but_sign)};
  }
  friend Vec power_of_two(Vec a) {
    return {reinterpret_cast<Values>(reinterpret_cast<Ints>(a.v) << Bits<T>::mantissa)};
  }
  friend T sum(Vec a) {
    for (Index width = lanes / 2; width > 0; width /= 2) {
      for (Index lane = 0; lane < width; ++lane) a.v[lane] += a.v[lane + width];
    }
    return a.v[0];
  }
  friend Vec interleave_low(Vec a, Vec b) { return interleave(a, b, 0); }
  friend Vec interleave_high(Vec a, Vec b) { return interleave(a, b, lanes / 2); }
  friend Vec select_less(Vec a, Vec b, Vec x, Vec y) { return {a.v < b.v ? x.v : y.v}; }

 private:
  static Vec interleave(Vec a, Vec b, Index first) {
    Vec both;
    for (Index lane = 0; lane < lanes; ++lane) {
      both.v[lane] = (lane % 2 == 0 ? a : b).v[first + lane / 2];
    }
    return both;
  }
};

}  // namespace
}  // namespace peephole::baseline
