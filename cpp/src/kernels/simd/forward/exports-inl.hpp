#pragma once

#include "kernels/simd/forward/batch-inl.hpp"
#include "kernels/simd/forward/one_row-inl.hpp"
#include "kernels/simd/norm/forward-inl.hpp"
#include "kernels/simd/transpose-inl.hpp"

/// The forward kernels of an instruction set, as its file exports them.
namespace peephole::kernels {
namespace {

template <class V, class Sigma, class T = typename V::Scalar>
void forward_one_row(const ForwardTask<T>& task) {
  if (task.weights.panels == 1) {
    OneRowForward<V, 1, Sigma>(task).run();
  } else {
    OneRowForward<V, 2, Sigma>(task).run();
  }
}

template <template <class> class V, class T>
void forward(const ForwardTask<T>& task, const TeamPart& team) noexcept {
  if (!one_row_of_few_units(task, team)) {
    Forward<V<T>>(task, team).run();
  } else if (task.standard) {
    forward_one_row<V<T>, StandardActivations>(task);
  } else {
    forward_one_row<V<T>, ChosenActivations<T>>(task);
  }
}

template <class V, class T>
void norm_forward(const ForwardTask<T>& task) noexcept {
  if (task.standard) {
    NormForwardPass<V, StandardActivations>(task).run();
  } else {
    NormForwardPass<V, ChosenActivations<T>>(task).run();
  }
}

template <template <class> class V, class T>
constexpr ForwardKernels<T> forward_kernels_of() {
  return {V<T>::lanes, &forward<V, T>, &norm_forward<V<T>, T>, &transpose<V<T>>};
}

template <template <class> class V>
constexpr AllTypes<ForwardKernels> forward_kernels() {
  return {forward_kernels_of<V, float>(), forward_kernels_of<V, double>()};
}

}  // namespace
}  // namespace peephole::kernels
