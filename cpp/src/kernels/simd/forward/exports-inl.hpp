#pragma once

#include "kernels/simd/forward/batch-inl.hpp"
#include "kernels/simd/forward/one_row-inl.hpp"
#include "kernels/simd/transpose-inl.hpp"

/// What an instruction set's file exports of forward.
namespace peephole::kernels {
namespace {

template <class V, class Sigma, class T = typename V::Scalar>
void forward_with(const ForwardPass<T>& pass, const TeamPart& team) {
  if (!one_row_of_few_units(pass, team)) {
    Forward<V, Sigma>(pass, team).run();
  } else if (pass.weights.panels == 1) {
    OneRowForward<V, 1, Sigma>(pass).run();
  } else {
    OneRowForward<V, 2, Sigma>(pass).run();
  }
}

template <template <class> class V, class T>
void forward(const ForwardPass<T>& pass, const TeamPart& team) noexcept {
  if (pass.standard) {
    forward_with<V<T>, StandardActivations>(pass, team);
  } else {
    forward_with<V<T>, ChosenActivations>(pass, team);
  }
}

template <template <class> class V>
constexpr ForwardKernels forward_kernels() {
  return {V<float>::lanes,       V<double>::lanes,   &transpose<V<float>>,
          &transpose<V<double>>, &forward<V, float>, &forward<V, double>};
}

}  // namespace
}  // namespace peephole::kernels
