#pragma once

#include "kernels/simd/exponential-inl.hpp"
#include "peephole/activation.hpp"

/// The activation functions and their derivatives over V, a Vec<T> of some instruction set.
///
/// Every lane is computed alone, so a value's bits do not depend on its lane. NaN in gives NaN out:
/// bounds are applied as min(bound, a) and max(bound, a), which return a where it is NaN. The
/// errors stated are the largest of all sets, in units in the last place, for results that are
/// normal numbers; smaller results are between 0 and the smallest normal number.
/// cpp/tests/kernels/activations_test.cpp checks them.
namespace peephole::kernels {
namespace {

template <class V>
struct Fraction {
  V numerator, denominator;
};

/// sigmoid: 1 / (1 + exp(-a)), finite, without the numerator;
/// tanh: (1/2 - exp(-2a)/2) / (1/2 + exp(-2a)/2).
template <class Lanes, class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline Fraction<V> fraction(V a) {
  const ExpParts<V> e = exp_minus<Lanes>(a);
  const V half = constant<V>(T(0.5)), share = Lanes::template pick<V>(T(1), T(0.5));
  return {fma(e.s, e.w, fnma(e.s, half, half)),
          fnma(e.s, e.w, keep_nan(a, fma(e.s, share, share)))};
}

/// 1 + exp(-a), finite: the denominator of sigmoid.
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
  constexpr T bound = T(0x1p100);  // infinity over infinity would be NaN
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
