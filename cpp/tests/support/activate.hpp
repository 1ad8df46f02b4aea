#pragma once

#include <cmath>

#include "peephole/activation.hpp"

namespace peephole::test {

/// The activation functions in double, as the page has them.
inline double activate(Activation activation, double a) {
  switch (activation) {
    case Activation::sigmoid: return 1 / (1 + std::exp(-a));
    case Activation::tanh: return std::tanh(a);
    case Activation::identity: return a;
    case Activation::relu: return a > 0 ? a : 0;
    case Activation::softsign: return a / (1 + std::fabs(a));
    case Activation::softplus: return std::fmax(a, 0) + std::log1p(std::exp(-std::fabs(a)));
    case Activation::hard_sigmoid: return std::fmin(std::fmax(0.2 * a + 0.5, 0), 1);
    case Activation::one: break;
  }
  return 1;
}

}  // namespace peephole::test
