#pragma once

#include "kernels/simd/head/activation-inl.hpp"
#include "kernels/simd/head/gradient-inl.hpp"
#include "kernels/simd/head/logits-inl.hpp"

/// The head's kernels of an instruction set, as its file exports them.
namespace peephole::kernels {
namespace {

template <class V>
constexpr HeadKernels<typename V::Scalar> head_kernels_of() {
  return {kGroupColumns<V>, kMostDotProducts<V>, &head_logits<V>, &activate_values<V>};
}

template <class V>
constexpr HeadGradientKernels<typename V::Scalar> head_gradient_kernels_of() {
  return {&head_input_gradient<V>, &head_weight_gradient<V>, &multiply_by_derivative<V>};
}

}  // namespace
}  // namespace peephole::kernels
