#pragma once

#include "kernels/simd/backward/input-inl.hpp"
#include "kernels/simd/backward/one_row-inl.hpp"
#include "kernels/simd/backward/recurrence-inl.hpp"
#include "kernels/simd/backward/weights-inl.hpp"

/// What an instruction set's file exports of backward.
namespace peephole::kernels {
namespace {

template <class V, class Derivatives, class T>
void recurrence_of(const BackwardPass<T>& pass, const BackwardChunk& chunk, Index first_rank,
                   Index last_rank, const TeamPart& team) noexcept {
  const bool one_row = last_rank - first_rank == 1 && team.parts == 1 && pass.dense_gates == 0 &&
                       pass.weights.weight_hh.padded;
  if (one_row && pass.hidden_size <= V::lanes) {
    OneRowRecurrence<V, 1, Derivatives>(pass, first_rank).run(chunk);
  } else if (one_row && pass.hidden_size <= 2 * V::lanes) {
    OneRowRecurrence<V, 2, Derivatives>(pass, first_rank).run(chunk);
  } else {
    Recurrence<V, Derivatives>(pass, chunk, first_rank, last_rank, team).run();
  }
}

template <template <class> class V, class T>
void recurrence(const BackwardPass<T>& pass, const BackwardChunk& chunk, Index first_rank,
                Index last_rank, const TeamPart& team) noexcept {
  if (pass.standard) {
    recurrence_of<V<T>, StandardDerivatives>(pass, chunk, first_rank, last_rank, team);
  } else {
    recurrence_of<V<T>, ChosenDerivatives>(pass, chunk, first_rank, last_rank, team);
  }
}

template <template <class> class V, class T>
void input_gradient(const BackwardPass<T>& pass, const BackwardChunk& chunk,
                    const ProductShare& share) noexcept {
  InputGradient<V<T>>(pass, chunk, share).run();
}

template <template <class> class V, class T>
void weight_gradients(const BackwardPass<T>& pass, const BackwardChunk& chunk,
                      const ProductShare& share) noexcept {
  WeightGradients<V<T>>(pass, chunk, share).run();
}

template <template <class> class V>
constexpr BackwardKernels backward_kernels() {
  return {V<float>::lanes,
          V<double>::lanes,
          &recurrence<V, float>,
          &recurrence<V, double>,
          &input_gradient<V, float>,
          &weight_gradients<V, float>,
          &input_gradient<V, double>,
          &weight_gradients<V, double>};
}

}  // namespace
}  // namespace peephole::kernels
