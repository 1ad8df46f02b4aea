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

/// exp(x) = s (1 + q): n = round(x / ln 2), s = 2^n, r = x - n ln 2, q = expm1(r) = r + r² P(r).
template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
  static constexpr float log2e = 1.44269504f;
  static constexpr float to_integer = 0x1.8p23f;  // adding it leaves no bits for a fraction
  // ln 2 in two parts; the first has few enough bits for n * ln2_high to be exact.
  static constexpr float ln2_high = 0.693145751953125f, ln2_low = 1.42860682e-6f;
  // Where s and s (1 + q) are still normal.
  static constexpr float lowest = -87.6f, highest = 88.0f;
  // Beyond, tanh(y / 2) is 1 to half a unit in the last place.
  static constexpr float tanh_bound = 20.0f;
};

template <>
struct ExpConstants<double> {
  static constexpr double log2e = 1.4426950408889634074;
  static constexpr double to_integer = 0x1.8p52;
  static constexpr double ln2_high = 0.6931471805596629565116018, ln2_low = 2.8235290563031577e-13;
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

/// P, minimax, in Estrin's scheme: in a recurrence it is the latency that counts.
template <class V>
[[gnu::always_inline]] inline V expm1_polynomial(V r, V r2, float) {
  const V low = linear(5.0000000000e-1f, 1.6666573382e-1f, r);
  const V high =
      fma(constant<V>(1.3926926614e-3f), r2, linear(4.1666550110e-2f, 8.3637738744e-3f, r));
  return fma(high, r2, low);
}

template <class V>
[[gnu::always_inline]] inline V expm1_polynomial(V r, V r2, double) {
  const V r4 = r2 * r2;
  const V p0 = fma(linear(4.1666666666620638584e-2, 8.3333333333297934996e-3, r), r2,
                   linear(5.0000000000000011280e-1, 1.6666666666666667534e-1, r));
  const V p4 = fma(linear(2.4801518641395993583e-5, 2.7557266418612303703e-6, r), r2,
                   linear(1.3888888918939167785e-3, 1.9841269864380513295e-4, r));
  const V p8 = linear(2.7621338669142923800e-7, 2.5101346928350340198e-8, r);
  return fma(fma(p8, r4, p4), r4, p0);
}

template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline V clamp(V a, T lowest, T highest) {
  return max(constant<V>(lowest), min(constant<V>(highest), a));
}

template <class V>
struct ExpParts {
  V s, q;
};

/// Of x, clamped to [lowest, highest].
template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline ExpParts<V> exp_parts(V x, T lowest, T highest) {
  using C = ExpConstants<T>;
  x = clamp(x, lowest, highest);
  const V to_integer = constant<V>(C::to_integer);
  const V n = fma(x, constant<V>(C::log2e), to_integer) - to_integer;
  const V r = fnma(n, constant<V>(C::ln2_low), fnma(n, constant<V>(C::ln2_high), x));
  const V r2 = r * r;
  return {scale(constant<V>(1), n), fma(expm1_polynomial(r, r2, T()), r2, r)};
}

/// Less than the smallest normal number below `lowest`; only for x <= highest, to which it is
/// clamped.
template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline V exp(V x) {
  using C = ExpConstants<T>;
  const ExpParts<V> e = exp_parts(x, C::lowest, C::highest);
  return fma(e.s, e.q, e.s);
}

/// exp(x) - 1 for |x| <= tanh_bound, to which x is clamped.
template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline V bounded_expm1(V x) {
  using C = ExpConstants<T>;
  const ExpParts<V> e = exp_parts(x, -C::tanh_bound, C::tanh_bound);
  return fma(e.s, e.q, e.s - constant<V>(1));
}

/// 1 / (1 + exp(-a)), within [0, 1]. Max error: 3 ULP.
template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline V sigmoid(V a) {
  using C = ExpConstants<T>;
  const V one = constant<V>(1);
  const ExpParts<V> e = exp_parts(V::zero() - a, C::lowest, C::highest);
  return one / fma(e.s, e.q, one + e.s);
}

/// expm1(2a) / (expm1(2a) + 2), within [-1, 1]. Max error: 4 ULP.
template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline V tanh(V a) {
  using C = ExpConstants<T>;
  const V one = constant<V>(1);
  const ExpParts<V> e = exp_parts(a + a, -C::tanh_bound, C::tanh_bound);
  return fma(e.s, e.q, e.s - one) / fma(e.s, e.q, e.s + one);
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
  const V e = exp(V::zero() - abs(a));
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
    case Activation::softplus: return zero - bounded_expm1(zero - y);
    case Activation::hard_sigmoid:
      return select_less(zero, y, select_less(y, one, constant<V>(T(0.2)), zero), zero);
    case Activation::one: break;
  }
  return zero;
}

}  // namespace
}  // namespace peephole::kernels
