#pragma once

#include "kernels/simd/quantized/forward-inl.hpp"
#include "kernels/simd/quantized/norm-inl.hpp"

/// The kernels for integer weights of an instruction set, as its file exports them.
namespace peephole::kernels {
namespace {

template <class Integers>
void quantized_forward(const ForwardTask<float>& task, const TeamPart& team) noexcept {
  QuantizedForward<Integers>(task, team).run();
}

template <class Integers>
void quantized_norm_forward(const ForwardTask<float>& task) noexcept {
  using V = typename Integers::Float;
  if (task.standard) {
    NormForwardPass<V, StandardActivations, IntegerProducts<Integers>>(task).run();
  } else {
    NormForwardPass<V, ChosenActivations<float>, IntegerProducts<Integers>>(task).run();
  }
}

template <class Integers>
constexpr QuantizedKernels quantized_kernels_of() {
  return {kGateGroup<typename Integers::Float>, Integers::quads, Integers::quad_offset,
          &quantized_forward<Integers>, &quantized_norm_forward<Integers>};
}

}  // namespace
}  // namespace peephole::kernels
