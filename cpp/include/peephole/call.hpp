#pragma once

#include "peephole/types.hpp"

/// What the calls of LSTM and Network take and fill. All memory is the caller's.
///
/// `lengths` is empty (every sequence has T steps) or holds B numbers in 0..T. A list of states is
/// empty or holds one view per layer and direction: layer 0 forward, layer 0 reverse, layer 1
/// forward, ... Results may not overlap inputs, parameters or each other.
namespace peephole {

/// What a forward pass reads.
template <class T>
struct Call {
  SequenceView<const T> x;                      // (B, T, I)
  Span<const Index> lengths = {};               // (B,), or empty
  Span<const StateView<const T>> initial = {};  // L*D states; empty: the model's own, zeros or,
                                                // with InitialState::learned, h0 and c0
};

/// What a forward pass overwrites.
template <class T>
struct Outputs {
  SequenceView<T> y;                    // see LSTM::infer and Network::infer for its shape
  Span<const StateView<T>> final = {};  // L*D states; empty: not wanted
  SequenceView<T> logits = {};          // of a Network, shaped as y; data null: not wanted
};

/// The gradient of a loss with respect to the results of a forward pass: of y or, for a Network,
/// of the logits instead, and of the final states.
template <class T>
class Gradient {
 public:
  /// dy      shaped as y, read; entries beyond a sequence's length are ignored
  /// dfinal  gradients of the final states, read; empty: zeros
  static Gradient of_y(SequenceView<const T> dy, Span<const StateView<const T>> dfinal = {}) {
    return Gradient(dy, dfinal, false);
  }
  /// The same of V h_t + v, for losses that are computed from the logits. LSTM has none.
  static Gradient of_logits(SequenceView<const T> dlogits,
                            Span<const StateView<const T>> dfinal = {}) {
    return Gradient(dlogits, dfinal, true);
  }

  const SequenceView<const T>& outputs() const noexcept { return outputs_; }
  Span<const StateView<const T>> final() const noexcept { return final_; }
  bool is_of_logits() const noexcept { return of_logits_; }

 private:
  Gradient(SequenceView<const T> outputs, Span<const StateView<const T>> final, bool of_logits)
      : outputs_(outputs), final_(final), of_logits_(of_logits) {}

  SequenceView<const T> outputs_;
  Span<const StateView<const T>> final_;
  bool of_logits_;
};

/// Gradients with respect to what a Call read, overwritten by backward.
template <class T>
struct InputGradients {
  SequenceView<T> x = {};                 // (B, T, I), 0 beyond a length; data null: not wanted
  Span<const StateView<T>> initial = {};  // L*D states; empty: not wanted
};

}  // namespace peephole
