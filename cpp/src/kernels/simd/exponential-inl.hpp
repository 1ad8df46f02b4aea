#pragma once

#include "peephole/types.hpp"

/// exp(-a) for sigmoid and exp(-2a) for tanh, in parts, over V, a Vec<T> of some instruction set.
///
/// Every lane is computed alone, so a value's bits do not depend on its lane.
namespace peephole::kernels {
namespace {

template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
  static constexpr float log2e = 1.44269504f;
  // Adding it rounds to an integer; the lowest bits are then the biased exponent of 2^n.
  static constexpr float to_integer = 0x1.8p23f + 127;
  // ln 2 in two parts; the first has few enough bits for n * ln2_high to be exact.
  static constexpr float ln2_high = 0.693145751953125f, ln2_low = 1.42860682e-6f;
  // The same where products are fused with sums: the first part is the float nearest to ln 2. The
  // second is then so small that the polynomial need not wait for it, and tanh needs none.
  static constexpr bool ln2_nearest_suffices = true;
  static constexpr float ln2_nearest = 0.693147182464599609375f, ln2_rest = -1.9046543e-9f;
  // (expm1(r) - r) / r² for |r| <= ln 2 / 2, minimax, by powers of r.
  static constexpr float polynomial[] = {5.0000000000e-1f, 1.6666573382e-1f, 4.1666550110e-2f,
                                         8.3637738744e-3f, 1.3926926614e-3f};
  // Of x, where 2^n and exp(x) are still normal.
  static constexpr float lowest = -87.6f, highest = 88.0f;
  // Beyond, tanh(y / 2) is 1 to half a unit in the last place.
  static constexpr float tanh_bound = 20.0f;
};

template <>
struct ExpConstants<double> {
  static constexpr double log2e = 1.4426950408889634074;
  static constexpr double to_integer = 0x1.8p52 + 1023;
  static constexpr double ln2_high = 0.6931471805596629565116018, ln2_low = 2.8235290563031577e-13;
  static constexpr bool ln2_nearest_suffices = false;
  static constexpr double ln2_nearest = ln2_high, ln2_rest = ln2_low;
  static constexpr double polynomial[] = {5.0000000000000011280e-1, 1.6666666666666667534e-1,
                                          4.1666666666620638584e-2, 8.3333333333297934996e-3,
                                          1.3888888918939167785e-3, 1.9841269864380513295e-4,
                                          2.4801518641395993583e-5, 2.7557266418612303703e-6,
                                          2.7621338669142923800e-7, 2.5101346928350340198e-8};
  static constexpr double lowest = -708.7, highest = 709.0;
  static constexpr double tanh_bound = 40.0;
};

template <class V>
[[gnu::always_inline]] inline V constant(typename V::Scalar a) {
  return V::broadcast(a);
}

/// a + b x
template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline V linear(T a, T b, V x) {
  return fma(constant<V>(b), x, constant<V>(a));
}

/// Lanes of one vector may belong to sigmoid or to tanh; both are then computed together.
/// Lanes::pick<V>(a, b) is a in the lanes of sigmoid and b in those of tanh.
struct SigmoidLanes {
  static constexpr bool all_tanh = false;
  template <class V, class T = typename V::Scalar>
  [[gnu::always_inline]] static V pick(T of_sigmoid, T) {
    return constant<V>(of_sigmoid);
  }
};
struct TanhLanes {
  static constexpr bool all_tanh = true;
  template <class V, class T = typename V::Scalar>
  [[gnu::always_inline]] static V pick(T, T of_tanh) {
    return constant<V>(of_tanh);
  }
};

/// The quarters i, f, g and o of a vector.
struct QuarterLanes {
  static constexpr bool all_tanh = false;
  template <class V, class T = typename V::Scalar>
  [[gnu::always_inline]] static V pick(T of_sigmoid, T of_tanh) {
    return V::of_quarters(of_sigmoid, of_sigmoid, of_tanh, of_sigmoid);
  }
};
/// The halves g and o of a vector.
struct HalfLanes {
  static constexpr bool all_tanh = false;
  template <class V, class T = typename V::Scalar>
  [[gnu::always_inline]] static V pick(T of_sigmoid, T of_tanh) {
    return V::of_quarters(of_tanh, of_tanh, of_sigmoid, of_sigmoid);
  }
};

/// The polynomial's coefficient of r^i as that of u^i in (u + expm1(-k u) / k) / u², with k = 1 for
/// sigmoid and 2 for tanh. Exact.
template <class T>
constexpr T coefficient(int i, T k) {
  T c = ExpConstants<T>::polynomial[i] * k;
  for (int j = 0; j < i; ++j) c *= -k;
  return c;
}
template <class Lanes, int i, class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline V coefficient() {
  constexpr T of_sigmoid = coefficient<T>(i, 1), of_tanh = coefficient<T>(i, 2);
  return Lanes::template pick<V>(of_sigmoid, of_tanh);
}

/// The coefficients of u^i and u^(i + 1).
template <class Lanes, int i, class V>
[[gnu::always_inline]] inline V pair(V u) {
  return fma(coefficient<Lanes, i + 1, V>(), u, coefficient<Lanes, i, V>());
}

/// By Estrin's scheme, which has the shortest latency: a recurrence waits for it.
template <class Lanes, class V>
[[gnu::always_inline]] inline V exp_polynomial(V u, V u2, float) {
  return fma(fma(coefficient<Lanes, 4, V>(), u2, pair<Lanes, 2>(u)), u2, pair<Lanes, 0>(u));
}

template <class Lanes, class V>
[[gnu::always_inline]] inline V exp_polynomial(V u, V u2, double) {
  const V u4 = u2 * u2;
  const V low = fma(pair<Lanes, 2>(u), u2, pair<Lanes, 0>(u));
  const V high = fma(pair<Lanes, 6>(u), u2, pair<Lanes, 4>(u));
  return fma(fma(pair<Lanes, 8>(u), u4, high), u4, low);
}

template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline V clamp(V a, T lowest, T highest) {
  return max(constant<V>(lowest), min(constant<V>(highest), a));
}

/// exp(-k a) = s (1 - k w)
template <class V>
struct ExpParts {
  V s, w;
};

/// Of exp(-k a), with k = 1 in lanes of sigmoid and 2 in those of tanh: n = round(-k a / ln 2),
/// s = 2^n, and with u = a + n ln 2 / k (the rest, divided by k), k w = -expm1(-k u). a is clamped
/// to its bounds; NaN becomes any number.
template <class Lanes, class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline ExpParts<V> exp_minus(V a) {
  using C = ExpConstants<T>;
  constexpr T bound = C::tanh_bound / 2;
  constexpr bool nearest = V::fused && C::ln2_nearest_suffices;
  constexpr T ln2_first = nearest ? C::ln2_nearest : C::ln2_high;
  constexpr T ln2_second = nearest ? C::ln2_rest : C::ln2_low;
  constexpr T second_of_tanh = nearest ? 0 : ln2_second / 2;
  const auto pick = [](T of_sigmoid, T of_tanh) __attribute__((always_inline)) {
    return Lanes::template pick<V>(of_sigmoid, of_tanh);
  };
  a = clamp_numbers(a, pick(-C::highest, -bound), pick(-C::lowest, bound));
  const V shifted = fnma(a, pick(C::log2e, 2 * C::log2e), constant<V>(C::to_integer));
  const V n = shifted - constant<V>(C::to_integer);
  const V first = fma(n, pick(ln2_first, ln2_first / 2), a);
  const V u = Lanes::all_tanh && second_of_tanh == 0
                  ? first
                  : fma(n, pick(ln2_second, second_of_tanh), first);
  const V r = nearest ? first : u;
  const V r2 = r * r;
  return {power_of_two(shifted), fnma(exp_polynomial<Lanes>(r, r2, T()), r2, u)};
}

}  // namespace
}  // namespace peephole::kernels
