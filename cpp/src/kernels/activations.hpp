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

/// The polynomial's coefficient of r^i as that of u^i in (u + expm1(-k u) / k) / u². Exact: k is 1
/// or 2.
template <class T, int k>
constexpr T coefficient(int i) {
  T c = ExpConstants<T>::polynomial[i] * k;
  for (int j = 0; j < i; ++j) c *= -k;
  return c;
}

/// In Estrin's scheme: in a recurrence it is the latency that counts.
template <int k, class V>
[[gnu::always_inline]] inline V exp_polynomial(V u, V u2, float) {
  constexpr float p0 = coefficient<float, k>(0), p1 = coefficient<float, k>(1),
                  p2 = coefficient<float, k>(2), p3 = coefficient<float, k>(3),
                  p4 = coefficient<float, k>(4);
  return fma(fma(constant<V>(p4), u2, linear(p2, p3, u)), u2, linear(p0, p1, u));
}

template <int k, class V>
[[gnu::always_inline]] inline V exp_polynomial(V u, V u2, double) {
  constexpr double p0 = coefficient<double, k>(0), p1 = coefficient<double, k>(1),
                   p2 = coefficient<double, k>(2), p3 = coefficient<double, k>(3),
                   p4 = coefficient<double, k>(4), p5 = coefficient<double, k>(5),
                   p6 = coefficient<double, k>(6), p7 = coefficient<double, k>(7),
                   p8 = coefficient<double, k>(8), p9 = coefficient<double, k>(9);
  const V u4 = u2 * u2;
  const V low = fma(linear(p2, p3, u), u2, linear(p0, p1, u));
  const V high = fma(linear(p6, p7, u), u2, linear(p4, p5, u));
  return fma(fma(linear(p8, p9, u), u4, high), u4, low);
}

template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline V clamp(V a, T lowest, T highest) {
  return max(constant<V>(lowest), min(constant<V>(highest), a));
}

template <class V>
struct ExpParts {
  V s, w;
};

/// exp(-k a) = s (1 - k w), k = 1 or 2: n = round(-k a / ln 2), s = 2^n, and with u the k-th part
/// of what is left, u = a + n ln 2 / k, k w = -expm1(-k u). a: where -k a is within ExpConstants'
/// lowest and highest.
template <int k, class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline ExpParts<V> exp_minus(V a) {
  using C = ExpConstants<T>;
  const V shifted = fnma(a, constant<V>(k * C::log2e), constant<V>(C::to_integer));
  const V n = shifted - constant<V>(C::to_integer);
  const V u = fma(n, constant<V>(C::ln2_low / k), fma(n, constant<V>(C::ln2_high / k), a));
  const V u2 = u * u;
  return {power_of_two(shifted), fnma(exp_polynomial<k>(u, u2, T()), u2, u)};
}

/// Of exp(-a) for a >= 0; less than the smallest normal number beyond -`lowest`.
template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline ExpParts<V> exp_minus_positive(V a) {
  return exp_minus<1>(min(constant<V>(-ExpConstants<T>::lowest), a));
}

/// 1 + exp(-a), finite: what sigmoid divides 1 by.
template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline V sigmoid_denominator(V a) {
  using C = ExpConstants<T>;
  const ExpParts<V> e = exp_minus<1>(clamp(a, -C::highest, -C::lowest));
  return fnma(e.s, e.w, constant<V>(1) + e.s);
}

/// 1 / (1 + exp(-a)), within [0, 1]. Max error: 3 ULP.
template <class V>
[[gnu::always_inline]] inline V sigmoid(V a) {
  return constant<V>(1) / sigmoid_denominator(a);
}

template <class V>
struct Fraction {
  V numerator, denominator;
};

/// (1/2 - exp(-2a)/2) / (1/2 + exp(-2a)/2): tanh.
template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline Fraction<V> tanh_fraction(V a) {
  constexpr T bound = ExpConstants<T>::tanh_bound / 2;
  const V half = constant<V>(T(0.5));
  const ExpParts<V> e = exp_minus<2>(clamp(a, -bound, bound));
  return {fma(e.s, e.w, fnma(e.s, half, half)), fnma(e.s, e.w, fma(e.s, half, half))};
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
  const ExpParts<V> parts = exp_minus_positive(abs(a));
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
      const ExpParts<V> e = exp_minus_positive(y);
      return fma(e.s, e.w, one - e.s);
    }
    case Activation::hard_sigmoid:
      return select_less(zero, y, select_less(y, one, constant<V>(T(0.2)), zero), zero);
    case Activation::one: break;
  }
  return zero;
}

}  // namespace
}  // namespace peephole::kernels
