#pragma once

#include "base/buffer.hpp"
#include "kernels/plain/backward_task.hpp"
#include "layer/layer.hpp"
#include "layer/schedule.hpp"
#include "runtime/isa.hpp"

namespace peephole::kernels {

/// Whether packing the weights pays: it costs more than one step.
bool worth_packing(const Schedule& schedule) noexcept;

/// A layer's weights as the backward kernels of one instruction set read them: see BackwardWeights.
template <class T>
class PackedBackward {
 public:
  /// Copies the weights, for use until one of them changes. Replaces earlier contents, reusing
  /// their memory.
  void pack(const LayerSpec& spec, const LayerWeights<const T>& weights, Isa isa);
  /// Refers to the weights without a copy; they must stay where they are.
  void refer(const LayerSpec& spec, const LayerWeights<const T>& weights, Isa isa);

  Isa isa() const noexcept { return isa_; }
  /// Valid until the next pack().
  const BackwardWeights<T>& view() const noexcept { return view_; }

 private:
  Isa isa_ = Isa::baseline;
  Buffer<T> storage_;
  BackwardWeights<T> view_ = {};
};

extern template class PackedBackward<float>;
extern template class PackedBackward<double>;

}  // namespace peephole::kernels
