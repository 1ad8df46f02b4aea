#pragma once

#include <memory>
#include <optional>

#include "compute/backend.hpp"
#include "compute/noise.hpp"
#include "kernels/host/forward.hpp"
#include "kernels/host/step.hpp"
#include "kernels/host/table.hpp"
#include "reference/layer.hpp"

/// Single steps of a layer, as streams take them.
namespace peephole {

/// A layer, who computes it, and its weights as that backend reads them. Nobody writes it, so any
/// number of LayerSteps may share one.
template <class T>
struct StepLayer {
  LayerSpec spec;
  LayerWeights<const T> weights;  // in the parameters' memory; the kernels do not read them
  LayerNoise noise;               // of inference
  Backend backend;
  std::shared_ptr<const kernels::PackedForward<T>> packed;  // for the kernels
  std::optional<kernels::PackedStep<T>> packed_step = {};   // if has_step_kernel()

  /// Whether the backend has a kernel for one step of one sequence. A dense P_o that reads c_t has
  /// to wait for all of c_t, and layer normalisation for all sums, which that kernel does not do;
  /// nor does it read integers.
  bool has_step_kernel() const noexcept {
    return !backend.is_reference() && !spec.layer_norm && !spec.quantization &&
           packed->view().dense_output == nullptr &&
           kernels::step_kernels_of<T>(backend.isa).step != nullptr;
  }
};

/// The state of a layer for B sequences, and the steps that change it. All memory is allocated, and
/// all arguments of the kernels are set, by the constructor.
template <class T>
class LayerSteps {
 public:
  /// `layer` and `one_step`, the schedule of B sequences of one step, must outlive it.
  LayerSteps(const StepLayer<T>& layer, const Schedule& one_step);

  /// x  (B, I), read. In the caller's floating-point mode.
  void step(Rows<const T> x) noexcept { step(x, one_step_.batch()); }
  /// The same of the first `rows` sequences alone, 1 <= rows <= B: x (rows, I). The others keep
  /// their state.
  void step(Rows<const T> x, Index rows) noexcept;
  /// (B, P): h_t.
  Rows<const T> h() const noexcept { return {state_h_.data(), layer_.spec.recurrent_size()}; }

  /// (B, P) and (B, H); the memory may be longer.
  T* state_h() const noexcept { return state_h_.data(); }
  T* state_c() const noexcept { return state_c_.data(); }

 private:
  /// How a step is computed: by the kernel for one sequence, as a forward run of one step, or by
  /// the reference path.
  enum class Way { step_kernel, forward_kernel, reference };

  void step_by_kernels(Rows<const T> x, Index rows) noexcept;
  void step_by_reference(Rows<const T> x, Index rows);

  const StepLayer<T>& layer_;
  const Schedule& one_step_;
  Way way_;
  Buffer<T> state_h_, state_c_;
  Buffer<T> previous_h_, previous_c_;  // the state before the step, with zoneout
  Buffer<T> h_;                        // (B, P)
  kernels::ForwardWorkspace<T> workspace_;
  kernels::ForwardTask<T> task_ = {};
  kernels::StepTask<T> step_ = {};
  kernels::StepKernel<T> kernel_ = nullptr;  // of Way::step_kernel
  reference::Scratch<T> scratch_;
};

extern template class LayerSteps<float>;
extern template class LayerSteps<double>;

}  // namespace peephole
