#pragma once

#include "kernels/step_head.hpp"
#include "kernels/step_layer.hpp"

/// Single steps of one sequence: what an instruction set's file compiles.
namespace peephole::kernels {
namespace {

template <template <class> class V, class T>
void step(const ForwardPass<T>& pass, const T* x) noexcept {
  if (pass.standard) {
    LayerStep<V<T>, StandardActivations>(pass, x).run();
  } else {
    LayerStep<V<T>, ChosenActivations>(pass, x).run();
  }
}

template <template <class> class V>
constexpr StepKernels step_kernels() {
  return {&step<V, float>, &step<V, double>, &step_head<V<float>>, &step_head<V<double>>};
}

}  // namespace
}  // namespace peephole::kernels
