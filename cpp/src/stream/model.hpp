#pragma once

#include <optional>
#include <vector>

#include "base/buffer.hpp"
#include "compute/head.hpp"
#include "compute/step.hpp"
#include "stack/stack.hpp"

namespace peephole {

/// What streams of one model share, and nobody writes: what it is, and its weights as they were.
template <class T>
struct StreamModel {
  /// Throws std::invalid_argument for a bidirectional stack.
  explicit StreamModel(const Stack<T>& stack);
  StreamModel(const Stack<T>& stack, const NetworkConfig& config);

  Index input_size() const noexcept { return layers.front().spec.input_size; }
  Index output_size() const noexcept {
    return head ? head->output_size : layers.back().spec.hidden_size;
  }

  std::vector<StepLayer<T>> layers;
  std::optional<HeadSpec> head;
  HeadWeights<const T> head_weights = {};

 private:
  StreamModel(const Stack<T>& stack, Index first_kept);

  Buffer<T> values_;  // the parameters' flat layout, from where it is needed
};

extern template struct StreamModel<float>;
extern template struct StreamModel<double>;

}  // namespace peephole
