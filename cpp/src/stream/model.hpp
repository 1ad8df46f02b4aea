#pragma once

#include <optional>
#include <vector>

#include "base/buffer.hpp"
#include "compute/head.hpp"
#include "kernels/host/step.hpp"
#include "stack/stack.hpp"

namespace peephole {

template <class T>
struct StreamModelLayer : Stack<T>::Layer {
  /// None where single steps have no kernel of their own: on the reference path, and where a dense
  /// P_o waits for all of c_t.
  std::optional<kernels::PackedStep<T>> packed_step;
};

/// What streams of one model share, and nobody writes: what it is, and its weights as they were.
template <class T>
struct StreamModel {
  /// Throws std::invalid_argument for a bidirectional stack, and for a readout of all steps at
  /// once.
  explicit StreamModel(const Stack<T>& stack);
  StreamModel(const Stack<T>& stack, const NetworkConfig& config);

  Index input_size() const noexcept { return layers.front().spec.input_size; }
  Index output_size() const noexcept {
    return head ? head->output_size : layers.back().spec.hidden_size;
  }

  NetworkConfig config;  // without a head only config.lstm counts
  std::vector<StreamModelLayer<T>> layers;
  std::optional<HeadSpec> head;
  HeadWeights<const T> head_weights = {};
  Buffer<T> values;  // the parameters in their flat layout
};

extern template struct StreamModel<float>;
extern template struct StreamModel<double>;

}  // namespace peephole
