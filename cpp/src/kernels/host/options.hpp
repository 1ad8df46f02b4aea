#pragma once

#include "kernels/plain/norm_task.hpp"
#include "layer/layer.hpp"

/// A layer's options as the plain numbers that kernels read.
namespace peephole::kernels {

/// Whether the activations are the default ones and f is not coupled to i: this case has its own
/// code.
inline bool is_standard(const LayerSpec& spec) noexcept {
  const Activations& a = spec.activations;
  return a.i == Activation::sigmoid && a.f == Activation::sigmoid && a.g == Activation::tanh &&
         a.o == Activation::sigmoid && a.c == Activation::tanh && !spec.coupled_input_forget;
}

/// What the layer normalises.
inline NormForm norm_form(const LayerSpec& spec) noexcept {
  return {spec.layer_norm.has_value(), spec.layer_norm == LayerNorm::products,
          spec.layer_norm_cell == LayerNormCell::state,
          spec.layer_norm_cell == LayerNormCell::output, spec.layer_norm_epsilon};
}

/// The gates that have a peephole of this form, as a mask of 1 << gate.
inline unsigned peephole_gates(const LayerSpec& spec, Peephole peephole) noexcept {
  unsigned gates = 0;
  if (spec.peephole != peephole) return gates;
  for (Gate gate : {Gate::input, Gate::forget, Gate::cell, Gate::output}) {
    if (spec.has_peephole(gate)) gates |= 1u << index(gate);
  }
  return gates;
}

}  // namespace peephole::kernels
