#pragma once

#include "kernels/simd/quantized/forward-inl.hpp"

/// The kernels for integer weights of an instruction set, as its file exports them.
namespace peephole::kernels {
namespace {

template <class Integers>
void quantized_forward(const ForwardTask<float>& task, const TeamPart& team) noexcept {
  QuantizedForward<Integers>(task, team).run();
}

template <class Integers>
constexpr QuantizedKernels quantized_kernels_of() {
  return {kGateGroup<typename Integers::Float>, &quantized_forward<Integers>};
}

}  // namespace
}  // namespace peephole::kernels
