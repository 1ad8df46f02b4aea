#pragma once

#include "kernels/simd/step/head-inl.hpp"
#include "kernels/simd/step/layer-inl.hpp"

/// Single steps of one sequence: what an instruction set's file compiles.
namespace peephole::kernels {
namespace {

template <class V, class T = typename V::Scalar>
void step(StepPass<T>& pass, const T* x) noexcept {
  if (pass.layer.standard) {
    LayerStep<V, StandardActivations>(pass, x).run();
  } else {
    LayerStep<V, ChosenActivations>(pass, x).run();
  }
}

template <class V>
constexpr StepKernelsOf<typename V::Scalar> step_kernels_of() {
  return {&step<V>, &step_head<V>, V::lanes, kTilePanels<V, 1>, V::quarters};
}

template <template <class> class V>
constexpr StepKernels step_kernels() {
  return {step_kernels_of<V<float>>(), step_kernels_of<V<double>>()};
}

}  // namespace
}  // namespace peephole::kernels
