#pragma once

#include "kernels/host/forward.hpp"
#include "kernels/host/step.hpp"
#include "reference/layer.hpp"
#include "stream/model.hpp"

namespace peephole {

/// One layer of a stream: its state, and how a step of it is computed. All memory is taken, and
/// all that a step is told is written down, when it is made.
template <class T>
class StreamLayer {
 public:
  /// `layer` and `one_step`, the schedule of B sequences of one step, must outlive it.
  StreamLayer(const StreamModelLayer<T>& layer, const Schedule& one_step);

  /// x  (B, I), read. Denormals count as zeros or not, as the caller has it.
  void step(Rows<const T> x) noexcept;
  /// (B, H): h_t.
  Rows<const T> h() const noexcept { return {state_h_.data(), layer_.spec.hidden_size}; }

  /// (B, H), after which there may be room.
  T* state_h() const noexcept { return state_h_.data(); }
  T* state_c() const noexcept { return state_c_.data(); }

 private:
  void step_by_reference(Rows<const T> x);

  const StreamModelLayer<T>& layer_;
  const Schedule& one_step_;
  Buffer<T> state_h_, state_c_;
  Buffer<T> h_;  // (B, H)
  kernels::ForwardWorkspace<T> workspace_;
  kernels::ForwardPass<T> pass_ = {};
  kernels::StepPass<T> step_ = {};
  kernels::StepKernel<T> kernel_ = nullptr;  // null: a step is a forward pass over one_step
  reference::Scratch<T> scratch_;
};

extern template class StreamLayer<float>;
extern template class StreamLayer<double>;

}  // namespace peephole
