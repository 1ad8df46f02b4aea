#pragma once

#include "peephole/call.hpp"

/// What jvp() and backward_jvp() of LSTM and Network take and fill. All memory is the caller's.
namespace peephole {

/// A direction in which the inputs of a pass and the parameters move. What is null or empty does
/// not move.
template <class T>
struct Tangents {
  SequenceView<const T> x = {};                 // (B, T, I); steps beyond a length are ignored
  Span<const StateView<const T>> initial = {};  // L*D states
  Span<const T> parameters = {};  // flat_size() values in the layout of Parameters; masked entries
                                  // and gaps are ignored
};

/// What backward_jvp() overwrites: values, or their derivatives along the direction. What is null
/// or empty is not wanted.
template <class T>
struct PassResults {
  Outputs<T> outputs = {};   // of the forward pass
  Span<T> dparameters = {};  // of the backward pass: flat_size() values
  InputGradients<T> inputs = {};
};

}  // namespace peephole
