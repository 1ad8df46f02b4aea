#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/buffer.hpp"
#include "compute/dense_input.hpp"
#include "compute/head.hpp"
#include "compute/step.hpp"
#include "stack/stack.hpp"

namespace peephole {

/// To read the clock takes a third of a small model's step.
inline constexpr Index kStepsPerPoll = 32;

/// What streams of one model share and never write to: its configuration, and a copy of its
/// weights.
template <class T>
struct StreamModel {
  /// Throws std::invalid_argument for a bidirectional stack, and for a readout of all steps at
  /// once.
  StreamModel(const Stack<T>& stack, IsaChoice isa);
  StreamModel(const Stack<T>& stack, const NetworkConfig& config, IsaChoice isa);

  /// The model that streams of a stack share now, or of a network over it. Throws as the
  /// constructors.
  static std::shared_ptr<const StreamModel> of(const Stack<T>& stack, const NetworkConfig* network);

  Index input_size() const noexcept {
    return input ? input->spec.product.input_size : stack_input_size();
  }
  /// What the first layer reads: x, or the output of the dense layer before it.
  Index stack_input_size() const noexcept { return layers.front().spec.input_size; }
  Index output_size() const noexcept {
    return head ? head->spec.output_size : layers.back().spec.recurrent_size();
  }

  /// Sets h (P,) and c (H,) to the state in which a layer begins.
  void begin(Index layer, T* h, T* c) const noexcept;
  /// What the first layer reads of x (n, I): x itself, or the output of the dense layer, in
  /// `memory` (n, stack_input_size()).
  Rows<const T> input_rows(Rows<const T> x, Index n, T* memory) const noexcept;
  /// y (n, O) of the top layer's h (n, P): the head's output, or h itself. y may be h.
  void output(Rows<const T> h, Rows<T> y, Index n) const noexcept;

  NetworkConfig config;  // without a head only config.lstm counts
  /// The dense layer before the stack of a network.
  struct DenseInput {
    DenseInputSpec spec;
    Head<T> product;
  };
  std::optional<DenseInput> input;
  std::vector<StepLayer<T>> layers;
  std::optional<Head<T>> head;
  Buffer<T> values;  // the parameters in their flat layout
  Index value_count = 0;
  /// (L,): the state in which each layer begins; h and c (H,) in `values`, or null for zeros.
  struct Initial {
    const T* h = nullptr;
    const T* c = nullptr;
  };
  std::vector<Initial> initial;
};

extern template struct StreamModel<float>;
extern template struct StreamModel<double>;

}  // namespace peephole
