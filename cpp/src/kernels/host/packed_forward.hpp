#pragma once

#include "base/buffer.hpp"
#include "kernels/host/packed_integers.hpp"
#include "kernels/plain/forward_task.hpp"
#include "layer/layer.hpp"
#include "runtime/isa.hpp"

namespace peephole::kernels {

/// A layer's weights, packed for the forward kernels of one instruction set: see ForwardWeights.
/// Worth keeping until a parameter changes: packing costs about as much as a few steps of one row.
template <class T>
class PackedForward {
 public:
  /// Replaces earlier contents, reusing their memory.
  void pack(const LayerSpec& spec, const LayerWeights<const T>& weights, Isa isa);

  Isa isa() const noexcept { return isa_; }
  /// Valid until the next pack().
  const ForwardWeights<T>& view() const noexcept { return view_; }

 private:
  Isa isa_ = Isa::baseline;
  Buffer<T> storage_;
  PackedIntegers integers_;  // of a quantized layer
  ForwardWeights<T> view_ = {};
};

extern template class PackedForward<float>;
extern template class PackedForward<double>;

}  // namespace peephole::kernels
