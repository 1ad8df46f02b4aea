#pragma once

#include "kernels/isa.hpp"
#include "kernels/step_pass.hpp"

/// Single steps of one sequence, with the bits of the forward kernels.
namespace peephole::kernels {

/// The exports of an available instruction set.
const StepKernels& step_kernels(Isa isa) noexcept;

/// Whether the kernels for single steps take the layer: not where dense P_o reads c_t, which waits
/// for all of c_t and gains nothing.
template <class T>
bool steps_alone(const ForwardWeights<T>& weights) noexcept {
  return weights.dense_output == nullptr;
}

template <class T>
StepKernel<T> step_kernel(const StepKernels& kernels) noexcept {
  if constexpr (sizeof(T) == sizeof(float)) {
    return kernels.step_float;
  } else {
    return kernels.step_double;
  }
}

template <class T>
StepHeadKernel<T> step_head_kernel(const StepKernels& kernels) noexcept {
  if constexpr (sizeof(T) == sizeof(float)) {
    return kernels.head_float;
  } else {
    return kernels.head_double;
  }
}

}  // namespace peephole::kernels
