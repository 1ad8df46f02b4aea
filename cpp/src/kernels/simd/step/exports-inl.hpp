#pragma once

#include "kernels/plain/small.hpp"
#include "kernels/simd/step/layer-inl.hpp"

/// The kernels of single steps of an instruction set, as its file exports them.
namespace peephole::kernels {
namespace {

template <class V, class T = typename V::Scalar>
void step(StepTask<T>& task, const T* x) noexcept {
  if (task.layer.standard) {
    LayerStep<V, StandardActivations>(task, x).run();
  } else {
    LayerStep<V, ChosenActivations<T>>(task, x).run();
  }
}

template <class V>
constexpr StepKernels<typename V::Scalar> step_kernels_of() {
  return {kHasStepKernel<V::fused> ? &step<V> : nullptr, kTilePanels<V, 1>, V::quarters};
}

}  // namespace
}  // namespace peephole::kernels
