#pragma once

#include "layer/layer.hpp"

/// What the kernels are told of a layer's choices: plain numbers.
namespace peephole::kernels {

/// Whether the activations are the default ones and f is not coupled to i, which has code of its
/// own.
inline bool is_standard(const LayerSpec& spec) noexcept {
  const Activations& a = spec.activations;
  return a.i == Activation::sigmoid && a.f == Activation::sigmoid && a.g == Activation::tanh &&
         a.o == Activation::sigmoid && a.c == Activation::tanh && !spec.coupled_input_forget;
}

/// 1 << gate of those that have a peephole of this form.
inline unsigned peephole_gates(const LayerSpec& spec, Peephole peephole) noexcept {
  unsigned gates = 0;
  if (spec.peephole != peephole) return gates;
  for (Gate gate : {Gate::input, Gate::forget, Gate::cell, Gate::output}) {
    if (spec.has_peephole(gate)) gates |= 1u << index(gate);
  }
  return gates;
}

}  // namespace peephole::kernels
