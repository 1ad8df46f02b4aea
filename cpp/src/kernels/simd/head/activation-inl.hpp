#pragma once

#include "kernels/plain/head_task.hpp"
#include "kernels/simd/activations-inl.hpp"

/// The activation of a dense layer, value by value.
namespace peephole::kernels {
namespace {

/// apply(k, load, store) for each vector of n values, the last of which may be a part of one.
template <class V, class Apply>
[[gnu::always_inline]] inline void for_vectors(Index n, const Apply& apply) {
  using T = typename V::Scalar;
  const Index whole = n - n % V::lanes;
  for (Index k = 0; k < whole; k += V::lanes) {
    apply(k, [](const T* from) { return V::load(from); }, [](V v, T* to) { v.store(to); });
  }
  if (whole == n) return;
  apply(
      whole, [n, whole](const T* from) { return V::load(from, n - whole); },
      [n, whole](V v, T* to) { v.store(to, n - whole); });
}

template <class V, class T = typename V::Scalar>
void activate_values(Activation activation, T* values, Index n) noexcept {
  for_vectors<V>(n, [&](Index k, const auto& load, const auto& store) {
    store(activate(activation, load(values + k)), values + k);
  });
}

template <class V, class T = typename V::Scalar>
void multiply_by_derivative(Activation activation, const T* y, T* gradient, Index n) noexcept {
  for_vectors<V>(n, [&](Index k, const auto& load, const auto& store) {
    store(load(gradient + k) * derivative(activation, load(y + k)), gradient + k);
  });
}

}  // namespace
}  // namespace peephole::kernels
