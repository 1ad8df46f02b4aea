#pragma once

#include "kernels/plain/small.hpp"
#include "kernels/simd/forward/batch-inl.hpp"
#include "kernels/simd/forward/one_row-inl.hpp"
#include "kernels/simd/norm/forward-inl.hpp"
#include "kernels/simd/transpose-inl.hpp"

/// The forward kernels of an instruction set, as its file exports them.
namespace peephole::kernels {
namespace {

template <class V, class Sigma, class T = typename V::Scalar>
void forward_one_row(const ForwardTask<T>& task) {
  if (task.weights.panels == 1) {
    OneRowForward<V, 1, Sigma>(task).run();
  } else {
    OneRowForward<V, 2, Sigma>(task).run();
  }
}

template <class V, class T>
void forward(const ForwardTask<T>& task, const TeamPart& team) noexcept {
  if constexpr (kHasOneRowKernels) {
    if (one_row_of_few_units(task, team)) {
      return task.standard ? forward_one_row<V, StandardActivations>(task)
                           : forward_one_row<V, ChosenActivations<T>>(task);
    }
  }
  Forward<V>(task, team).run();
}

template <class V, class T>
void norm_forward(const ForwardTask<T>& task) noexcept {
  if (task.standard) {
    NormForwardPass<V, StandardActivations, FloatProducts<V>>(task).run();
  } else {
    NormForwardPass<V, ChosenActivations<T>, FloatProducts<V>>(task).run();
  }
}

template <class V, class T = typename V::Scalar>
constexpr ForwardKernels<T> forward_kernels_of() {
  return {V::lanes, &forward<V, T>, kHasNormKernels<V::fused> ? &norm_forward<V, T> : nullptr,
          &transpose<V>};
}

}  // namespace
}  // namespace peephole::kernels
