#pragma once

#include <cstdint>

#include "base/buffer.hpp"
#include "kernels/plain/quantized_task.hpp"
#include "layer/layer.hpp"
#include "runtime/isa.hpp"

namespace peephole::kernels {

/// The integer matrices of a quantized layer that are multiplied as integers, in the panels of one
/// instruction set. W_hr, and a dense P_o that reads c_t, are not among them: see PackedForward.
class PackedIntegers {
 public:
  /// Replaces earlier contents, reusing their memory.
  void pack(const LayerSpec& spec, const LayerWeights<const float>& weights, Isa isa);

  /// Valid until the next pack().
  const QuantizedWeights& view() const noexcept { return view_; }

 private:
  struct Product {
    Buffer<std::int8_t> bytes;
    Buffer<float> scales;
    Buffer<std::int32_t> offsets;
  };

  Product input_, recurrent_, dense_;
  QuantizedWeights view_ = {};
};

}  // namespace peephole::kernels
