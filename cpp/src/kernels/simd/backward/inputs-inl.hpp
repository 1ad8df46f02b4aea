#pragma once

#include "kernels/plain/backward_task.hpp"
#include "kernels/simd/backward/tile-inl.hpp"

/// The inputs of the weights: da is multiplied by them.
namespace peephole::kernels {
namespace {

/// Rows of a chunk: of x, or with `initial` of the state before each step.
template <class V>
struct Inputs {
  using T = typename V::Scalar;

  const BackwardTask<T>& task;
  const BackwardChunk& chunk;
  const T* data;  // rows of the batch
  Index stride;
  const T* initial;  // (B, initial_stride)
  Index initial_stride;

  /// The input of row `row` of the chunk.
  const T* row(Index row) const {
    const Index packed = chunk.row + row;
    if (initial == nullptr) return data + packed * stride;
    const Index previous = task.previous[packed];
    return previous >= 0 ? data + previous * stride : initial + ~previous * initial_stride;
  }

  /// to (last - first, width rounded up to vectors) = columns of some rows from `column` on.
  void gather(Index first, Index last, Index column, Index width, T* to) const {
    const Index whole = width / V::lanes * V::lanes;
    for (Index r = first; r < last; ++r) {
      const T* const from = row(r) + column;
      for (Index k = 0; k < whole; k += V::lanes, to += V::lanes) V::load(from + k).store(to);
      if (whole == width) continue;
      V::load(from + whole, width - whole).store(to);
      to += V::lanes;
    }
  }
};

/// What a gate's peepholes read: c_t, or c_{t-1}.
template <class V, class T = typename V::Scalar>
Inputs<V> peephole_inputs(const BackwardTask<T>& task, const BackwardChunk& chunk, bool current) {
  const Index H = task.hidden_size;
  if (current) return {task, chunk, task.c, H, nullptr, 0};
  return {task, chunk, task.state_c, H, task.initial_c, H};
}

}  // namespace
}  // namespace peephole::kernels
