#pragma once

#include "kernels/forward_pass.hpp"

/// What the kernels for single steps of one sequence are given. Their sums are formed in the order
/// of the forward kernels, so that the bits are the same.
namespace peephole::kernels {

/// The dense head on the top layer: V h + v. A null weight: there is none.
template <class T>
struct StepHead {
  const T* weight;  // (O, F)
  const T* bias;    // (O,)
  Index input_size;
  Index output_size;
};

/// A layer at one step. The state h and c stands in state_h and state_c of the pass, which have
/// room for whole panels (panels * lanes), as has h_rows[0]. No dense P_o may read c_t.
template <class T>
using StepKernel = void (*)(const ForwardPass<T>& pass, const T* x) noexcept;

/// logits (O,), overwritten, from h (F,): a dot product is summed as head_logits does.
template <class T>
using StepHeadKernel = void (*)(const StepHead<T>& head, const T* h, T* logits) noexcept;

/// What an instruction set's file exports.
struct StepKernels {
  StepKernel<float> step_float;
  StepKernel<double> step_double;
  StepHeadKernel<float> head_float;
  StepHeadKernel<double> head_double;
};

extern const StepKernels step_baseline;
extern const StepKernels step_avx2;
extern const StepKernels step_avx512;

}  // namespace peephole::kernels
