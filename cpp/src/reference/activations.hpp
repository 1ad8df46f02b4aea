#pragma once

#include <cmath>

#include "peephole/activation.hpp"

/// The activation functions by the standard library, one value at a time: what the fast ones are
/// tested against.
namespace peephole::reference {

template <class T>
T sigmoid(T a) {
  return 1 / (1 + std::exp(-a));
}

template <class T>
T activate(Activation activation, T a) {
  switch (activation) {
    case Activation::sigmoid: return sigmoid(a);
    case Activation::tanh: return std::tanh(a);
    case Activation::identity: return a;
    case Activation::relu: return a < 0 ? T{0} : a;  // NaN stays
    case Activation::softsign:
      return std::isinf(a) ? std::copysign(T{1}, a) : a / (1 + std::abs(a));
    case Activation::softplus: return (a > 0 ? a : T{0}) + std::log1p(std::exp(-std::abs(a)));
    case Activation::hard_sigmoid: {
      const T linear = T(0.2) * a + T(0.5);
      return linear < 0 ? T{0} : linear > 1 ? T{1} : linear;
    }
    case Activation::one: break;
  }
  return 1;
}

/// The derivative at a, from y = activate(a): backward keeps y only.
template <class T>
T derivative(Activation activation, T y) {
  switch (activation) {
    case Activation::sigmoid: return y * (1 - y);
    case Activation::tanh: return 1 - y * y;
    case Activation::identity: return 1;
    case Activation::relu: return y > 0 ? T{1} : T{0};
    case Activation::softsign: return (1 - std::abs(y)) * (1 - std::abs(y));
    case Activation::softplus: return -std::expm1(-y);
    case Activation::hard_sigmoid: return y > 0 && y < 1 ? T(0.2) : T{0};
    case Activation::one: break;
  }
  return 0;
}

/// values (an Eigen block), in place.
template <class Block>
void activate_all(Activation activation, Block&& values) {
  using T = typename std::decay_t<Block>::Scalar;
  values = values.unaryExpr([activation](T a) { return activate(activation, a); });
}

/// The expression of derivative() over an Eigen array.
template <class Array>
auto derivatives(Activation activation, const Array& y) {
  using T = typename Array::Scalar;
  return y.unaryExpr([activation](T value) { return derivative(activation, value); });
}

}  // namespace peephole::reference
