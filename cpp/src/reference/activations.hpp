#pragma once

#include <type_traits>

#include "base/dual.hpp"
#include "peephole/activation.hpp"

/// The activation functions by the standard library, one value at a time: what the fast ones are
/// tested against.
namespace peephole::reference {

template <class T>
T activate(Activation activation, T a) noexcept;
template <>
Dual activate(Activation activation, Dual a) noexcept;

/// The derivative at a, from y = activate(a): backward keeps y only.
template <class T>
T derivative(Activation activation, T y) noexcept;

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
