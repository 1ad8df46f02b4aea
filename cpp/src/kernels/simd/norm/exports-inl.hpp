#pragma once

#include "kernels/plain/norm_kernels.hpp"
#include "kernels/simd/norm/forward-inl.hpp"
#include "kernels/simd/norm/gains-inl.hpp"
#include "kernels/simd/norm/recurrence-inl.hpp"

/// The kernels of layer normalisation of an instruction set, as its file exports them.
namespace peephole::kernels {
namespace {

template <class V, class T>
void norm_forward(const ForwardTask<T>& task) noexcept {
  if (task.standard) {
    NormForwardPass<V, StandardActivations>(task).run();
  } else {
    NormForwardPass<V, ChosenActivations>(task).run();
  }
}

template <class V, class T>
void norm_recurrence(const BackwardTask<T>& task, const BackwardChunk& chunk, Index first_rank,
                     Index last_rank) noexcept {
  if (task.standard) {
    NormRecurrence<V, StandardDerivatives>(task, chunk, first_rank, last_rank).run();
  } else {
    NormRecurrence<V, ChosenDerivatives>(task, chunk, first_rank, last_rank).run();
  }
}

template <class V, class T>
void gain_gradients(const BackwardTask<T>& task, const BackwardChunk& chunk,
                    const ProductShare& share) noexcept {
  GainGradients<V>(task, chunk, share).run();
}

template <class V>
constexpr NormKernels<typename V::Scalar> norm_kernels_of() {
  using T = typename V::Scalar;
  return {&norm_forward<V, T>, &norm_recurrence<V, T>, &gain_gradients<V, T>};
}

template <template <class> class V>
constexpr AllTypes<NormKernels> norm_kernels() {
  return {norm_kernels_of<V<float>>(), norm_kernels_of<V<double>>()};
}

}  // namespace
}  // namespace peephole::kernels
