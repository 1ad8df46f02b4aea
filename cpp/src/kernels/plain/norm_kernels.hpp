#pragma once

#include "kernels/plain/backward_task.hpp"

/// The kernels of layers with layer normalisation. The products of backward are those of all
/// layers.
namespace peephole::kernels {

template <class T>
using NormForwardKernel = void (*)(const ForwardTask<T>& task) noexcept;
template <class T>
using NormRecurrenceKernel = void (*)(const BackwardTask<T>& task, const BackwardChunk& chunk,
                                      Index first_rank, Index last_rank) noexcept;

/// Those of one instruction set for one type.
template <class T>
struct NormKernels {
  NormForwardKernel<T> forward;
  NormRecurrenceKernel<T> recurrence;
  ProductsKernel<T> gain_gradients;  // of biases and diagonal peepholes too
};

}  // namespace peephole::kernels
