#pragma once

#include "kernels/activations.hpp"
#include "kernels/simd/activations-inl.hpp"

namespace peephole::test {
namespace {

template <class V, class T = typename V::Scalar>
void activate(Activation activation, const T* a, T* y, Index n) {
  for (Index k = 0; k < n; k += V::lanes) {
    const Index left = n - k < V::lanes ? n - k : V::lanes;
    kernels::activate(activation, V::load(a + k, left)).store(y + k, left);
  }
}

template <class V, class T = typename V::Scalar>
void derivative(Activation activation, const T* y, T* d, Index n) {
  for (Index k = 0; k < n; k += V::lanes) {
    const Index left = n - k < V::lanes ? n - k : V::lanes;
    kernels::derivative(activation, V::load(y + k, left)).store(d + k, left);
  }
}

template <template <class> class V>
constexpr ActivationFunctions activation_functions() {
  return {{&activate<V<float>>, &derivative<V<float>>},
          {&activate<V<double>>, &derivative<V<double>>}};
}

}  // namespace
}  // namespace peephole::test
