#include "reference/activations.hpp"

#include <cmath>

namespace peephole::reference {
namespace {

template <class T>
T sigmoid(T a) {
  return 1 / (1 + std::exp(-a));
}

}  // namespace

template <class T>
T activate(Activation activation, T a) noexcept {
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

/// Differentiated as backward does it, also at kinks.
template <>
Dual activate(Activation activation, Dual a) noexcept {
  const double y = activate(activation, a.value);
  return {y, derivative(activation, y) * a.tangent};
}

template <class T>
T derivative(Activation activation, T y) noexcept {
  using std::abs;
  using std::expm1;
  switch (activation) {
    case Activation::sigmoid: return y * (1 - y);
    case Activation::tanh: return 1 - y * y;
    case Activation::identity: return 1;
    case Activation::relu: return y > 0 ? T{1} : T{0};
    case Activation::softsign: return (1 - abs(y)) * (1 - abs(y));
    case Activation::softplus: return -expm1(-y);
    case Activation::hard_sigmoid: return y > 0 && y < 1 ? T(0.2) : T{0};
    case Activation::one: break;
  }
  return 0;
}

#define PEEPHOLE_INSTANTIATE(T)                \
  template T activate(Activation, T) noexcept; \
  template T derivative(Activation, T) noexcept;
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
#undef PEEPHOLE_INSTANTIATE
template Dual derivative(Activation, Dual) noexcept;

}  // namespace peephole::reference
