#pragma once

#include "kernels/plain/small.hpp"
#include "kernels/simd/backward/input-inl.hpp"
#include "kernels/simd/backward/one_row-inl.hpp"
#include "kernels/simd/backward/recurrence-inl.hpp"
#include "kernels/simd/backward/weights-inl.hpp"
#include "kernels/simd/norm/gains-inl.hpp"
#include "kernels/simd/norm/recurrence-inl.hpp"

/// The backward kernels of an instruction set, as its file exports them.
namespace peephole::kernels {
namespace {

template <class V, class Derivatives, class T>
void recurrence_of_one_row(const BackwardTask<T>& task, const BackwardChunk& chunk, Index rank) {
  if (task.hidden_size <= V::lanes) {
    OneRowRecurrence<V, 1, Derivatives>(task, rank).run(chunk);
  } else {
    OneRowRecurrence<V, 2, Derivatives>(task, rank).run(chunk);
  }
}

template <class V, class T>
void recurrence(const BackwardTask<T>& task, const BackwardChunk& chunk, Index first_rank,
                Index last_rank, const TeamPart& team) noexcept {
  const bool one_row = last_rank - first_rank == 1 && team.parts == 1 && task.dense_gates == 0 &&
                       task.weights.weight_hh.padded && task.hidden_size <= 2 * V::lanes &&
                       task.weights.weight_hr.data == nullptr;
  if (!one_row) {
    Recurrence<V>(task, chunk, first_rank, last_rank, team).run();
  } else if (task.standard) {
    recurrence_of_one_row<V, StandardDerivatives>(task, chunk, first_rank);
  } else {
    recurrence_of_one_row<V, ChosenDerivatives<T>>(task, chunk, first_rank);
  }
}

template <class V, class T>
void norm_recurrence(const BackwardTask<T>& task, const BackwardChunk& chunk, Index first_rank,
                     Index last_rank) noexcept {
  if (task.standard) {
    NormRecurrence<V, StandardDerivatives>(task, chunk, first_rank, last_rank).run();
  } else {
    NormRecurrence<V, ChosenDerivatives<T>>(task, chunk, first_rank, last_rank).run();
  }
}

template <class V, class T>
void input_gradient(const BackwardTask<T>& task, const BackwardChunk& chunk,
                    const ProductShare& share) noexcept {
  InputGradient<V>(task, chunk, share).run();
}

template <class V, class T>
void weight_gradients(const BackwardTask<T>& task, const BackwardChunk& chunk,
                      const ProductShare& share) noexcept {
  WeightGradients<V>(task, chunk, share).run();
}

template <class V, class T>
void gain_gradients(const BackwardTask<T>& task, const BackwardChunk& chunk,
                    const ProductShare& share) noexcept {
  GainGradients<V>(task, chunk, share).run();
}

template <class V, class T = typename V::Scalar>
constexpr BackwardKernels<T> backward_kernels_of() {
  constexpr bool kNorm = kHasNormKernels<V::fused>;
  return {&recurrence<V, T>, kNorm ? &norm_recurrence<V, T> : nullptr, &input_gradient<V, T>,
          &weight_gradients<V, T>, kNorm ? &gain_gradients<V, T> : nullptr};
}

}  // namespace
}  // namespace peephole::kernels
