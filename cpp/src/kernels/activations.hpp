#pragma once

#include "peephole/activation.hpp"

/// The activation functions and their derivatives over V, a Vec<T> of some instruction set.
///
/// Every lane is computed alone, so a value's bits do not depend on its place. NaN in gives NaN
/// out: bounds are applied as min(bound, a) and max(bound, a), which keep a where it is NaN. Errors
/// are the worst over all sets, in units in the last place, for results of at least the smallest
/// normal number; smaller ones come out between 0 and it. tests/kernels_activations.cpp enforces
/// them.
namespace peephole::kernels {
namespace {

template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
  static constexpr float log2e = 1.44269504f;
  // Adding it leaves no bits for a fraction; the lowest ones are the biased exponent of 2^n.
  static constexpr float to_integer = 0x1.8p23f + 127;
  // ln 2 in two parts; the first has few enough bits for n * ln2_high to be exact.
  static constexpr float ln2_high = 0.693145751953125f, ln2_low = 1.42860682e-6f;
  // The same where products are fused with sums: the first is the nearest to ln 2. What the second
  // adds is then so little that a polynomial need not wait for it, and tanh does without.
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

/// What sigmoid and tanh have in common is computed at once where lanes of one vector are of
/// either: Lanes::pick<V>(a, b) is a in lanes of sigmoid and b in those of tanh.
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

/// In Estrin's scheme: in a recurrence it is the latency that counts.
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
/// s = 2^n, and with u = a + n ln 2 / k, the k-th part of what is left, k w = -expm1(-k u). Beyond
/// its bounds a counts as they do, and any number may stand for NaN.
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

template <class V>
struct Fraction {
  V numerator, denominator;
};

/// sigmoid: 1 / (1 + exp(-a)), finite, the numerator left out;
/// tanh: (1/2 - exp(-2a)/2) / (1/2 + exp(-2a)/2).
template <class Lanes, class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline Fraction<V> fraction(V a) {
  const ExpParts<V> e = exp_minus<Lanes>(a);
  const V half = constant<V>(T(0.5)), share = Lanes::template pick<V>(T(1), T(0.5));
  return {fma(e.s, e.w, fnma(e.s, half, half)),
          fnma(e.s, e.w, keep_nan(a, fma(e.s, share, share)))};
}

/// 1 + exp(-a), finite: what sigmoid divides 1 by.
template <class V>
[[gnu::always_inline]] inline V sigmoid_denominator(V a) {
  return fraction<SigmoidLanes>(a).denominator;
}

/// 1 / (1 + exp(-a)), within [0, 1]. Max error: 3 ULP.
template <class V>
[[gnu::always_inline]] inline V sigmoid(V a) {
  return constant<V>(1) / sigmoid_denominator(a);
}

template <class V>
[[gnu::always_inline]] inline Fraction<V> tanh_fraction(V a) {
  return fraction<TanhLanes>(a);
}

/// Within [-1, 1]. Max error: 4 ULP.
template <class V>
[[gnu::always_inline]] inline V tanh(V a) {
  const Fraction<V> t = tanh_fraction(a);
  return t.numerator / t.denominator;
}

/// max(a, 0). Exact.
template <class V>
[[gnu::always_inline]] inline V relu(V a) {
  return max(V::zero(), a);
}

/// a / (1 + |a|), within [-1, 1]. Max error: 2 ULP.
template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline V softsign(V a) {
  constexpr T bound = T(0x1p100);  // infinite over infinite would be NaN
  const V b = clamp(a, -bound, bound);
  return b / (constant<V>(1) + abs(b));
}

/// atanh(s) / s in z = s² up to 1/9, times 2: minimax.
template <class V>
[[gnu::always_inline]] inline V atanh_polynomial(V z, float) {
  V p = linear(2.1398560507e-1f, 2.4393908084e-1f, z);
  p = fma(p, z, constant<V>(2.8620207408e-1f));
  p = fma(p, z, constant<V>(3.9998711247e-1f));
  p = fma(p, z, constant<V>(6.6666679026e-1f));
  return fma(p, z, constant<V>(2.0f));
}

template <class V>
[[gnu::always_inline]] inline V atanh_polynomial(V z, double) {
  V p = linear(6.9803904983324320206e-2, 1.6488285931389568622e-1, z);
  p = fma(p, z, constant<V>(1.0976616937947494065e-1));
  p = fma(p, z, constant<V>(1.1715274668110425284e-1));
  p = fma(p, z, constant<V>(1.3336876815743835354e-1));
  p = fma(p, z, constant<V>(1.5384447060459967554e-1));
  p = fma(p, z, constant<V>(1.8181823423495252492e-1));
  p = fma(p, z, constant<V>(2.2222222119103674402e-1));
  p = fma(p, z, constant<V>(2.8571428572622927967e-1));
  p = fma(p, z, constant<V>(3.9999999999992866760e-1));
  p = fma(p, z, constant<V>(6.6666666666666683324e-1));
  return fma(p, z, constant<V>(2.0));
}

/// log(1 + exp(a)) = max(a, 0) + 2 atanh(e / (2 + e)) with e = exp(-|a|). Max error: 4 ULP.
template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline V softplus(V a) {
  const ExpParts<V> parts = exp_minus<SigmoidLanes>(abs(a));
  const V e = fnma(parts.s, parts.w, parts.s);
  const V s = e / (constant<V>(2) + e);
  return fma(s, atanh_polynomial(s * s, T()), relu(a));
}

/// clip(0.2 a + 0.5, 0, 1). Max error: 2 ULP of 0.5.
template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline V hard_sigmoid(V a) {
  return clamp(linear(T(0.5), T(0.2), a), T(0), T(1));
}

template <class V>
[[gnu::always_inline]] inline V activate(Activation activation, V a) {
  switch (activation) {
    case Activation::sigmoid: return sigmoid(a);
    case Activation::tanh: return tanh(a);
    case Activation::identity: return a;
    case Activation::relu: return relu(a);
    case Activation::softsign: return softsign(a);
    case Activation::softplus: return softplus(a);
    case Activation::hard_sigmoid: return hard_sigmoid(a);
    case Activation::one: break;
  }
  return constant<V>(1);
}

/// σ' by y = σ(a).
template <class V>
[[gnu::always_inline]] inline V sigmoid_derivative(V y) {
  return fnma(y, y, y);
}

/// tanh' by y = tanh(a).
template <class V>
[[gnu::always_inline]] inline V tanh_derivative(V y) {
  return fnma(y, y, constant<V>(1));
}

/// The derivative at a, by y = activation(a).
template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline V derivative(Activation activation, V y) {
  const V zero = V::zero();
  const V one = constant<V>(1);
  switch (activation) {
    case Activation::sigmoid: return sigmoid_derivative(y);
    case Activation::tanh: return tanh_derivative(y);
    case Activation::identity: return one;
    case Activation::relu: return select_less(zero, y, one, zero);
    case Activation::softsign: {
      const V d = one - abs(y);
      return d * d;
    }
    case Activation::softplus: {
      const ExpParts<V> e = exp_minus<SigmoidLanes>(y);
      return fma(e.s, e.w, keep_nan(y, one - e.s));
    }
    case Activation::hard_sigmoid:
      return select_less(zero, y, select_less(y, one, constant<V>(T(0.2)), zero), zero);
    case Activation::one: break;
  }
  return zero;
}

}  // namespace
}  // namespace peephole::kernels
