#include "kernels/host/packed_forward.hpp"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "base/arithmetic.hpp"
#include "kernels/host/table.hpp"
#include "model/rounding.hpp"

namespace peephole::kernels {
namespace {

constexpr Gate kAllGates[kGates] = {Gate::input, Gate::forget, Gate::cell, Gate::output};

/// Whether the gate's P_k c_{t-1} is a product of its own among the terms.
bool has_dense_terms(const LayerSpec& spec, Gate gate) {
  return spec.peephole == Peephole::dense && spec.has_peephole(gate) &&
         !(gate == Gate::output && spec.output_reads_current());
}

bool has_dense_terms(const LayerSpec& spec) {
  return std::any_of(kAllGates, kAllGates + kGates,
                     [&](Gate gate) { return has_dense_terms(spec, gate); });
}

bool has_dense_output(const LayerSpec& spec) {
  return spec.peephole == Peephole::dense && spec.output_reads_current();
}

/// The terms of a gate's sum that are multiplied in floating point.
Index terms_in_floating_point(const LayerSpec& spec) {
  const Index of_x = spec.quantizes_input ? 0 : spec.input_size;
  if (spec.quantization) return of_x;
  return of_x + spec.recurrent_size() + (has_dense_terms(spec) ? spec.hidden_size : 0);
}

/// Fills panels with columns of row-major (H, columns) matrices, one of each of four gates.
template <class T>
class PanelWriter {
 public:
  PanelWriter(T* panels, Index terms, const ForwardKernels<T>& kernels)
      : panels_(panels), terms_(terms), transpose_(kernels.transpose), lanes_(kernels.lanes) {}

  /// Terms first_term <= k < first_term + columns of one gate from its (H, columns) weights.
  void write(Gate gate, const T* weights, Index units, Index columns, Index first_term) const {
    for (Index unit = 0; unit < units; unit += lanes_) {
      T* const panel = panels_ + unit * terms_ * kGates;
      transpose_(weights + unit * columns, columns, std::min(lanes_, units - unit), columns,
                 panel + (first_term * kGates + index(gate)) * lanes_, kGates * lanes_);
    }
  }

 private:
  T* panels_;
  Index terms_;
  TransposeKernel<T> transpose_;
  Index lanes_;
};

/// The second of two panels again, of at most a quarter of its lanes: (terms, 4, lanes / 4).
template <class T>
void pack_narrow(const T* panel, Index terms, Index lanes, T* narrow) {
  const Index quarter = lanes / kGates;
  for (Index row = 0; row < terms * kGates; ++row) {
    std::copy_n(panel + row * lanes, quarter, narrow + row * quarter);
  }
}

/// `to`: the shifts, which are there already, the two gains, and the two vectors of c.
template <class T>
NormWeights<T> pack_norm(const LayerSpec& spec, const LayerWeights<const T>& weights,
                         const ForwardKernels<T>& kernels, Index panels, T* to) {
  const Index H = spec.hidden_size, of_units = panels * kernels.lanes, size = kGates * of_units;
  T* const gain = to + size;
  T* const gain_hh = gain + size;
  T* const gain_c = gain_hh + size;
  T* const shift_c = gain_c + of_units;
  const bool products = spec.layer_norm == LayerNorm::products;
  const PanelWriter<T> gains(gain, 1, kernels), gains_hh(gain_hh, 1, kernels);
  for (Gate gate : kAllGates) {
    const Index first = index(gate) * H;
    gains.write(gate, (products ? weights.gain_ih : weights.gain) + first, H, 1, 0);
    if (products) gains_hh.write(gate, weights.gain_hh + first, H, 1, 0);
  }
  const bool of_c = weights.gain_c != nullptr;
  if (of_c) {
    std::copy_n(weights.gain_c, H, gain_c);
    std::copy_n(weights.shift_c, H, shift_c);
  }
  return {gain, products ? gain_hh : nullptr, to, of_c ? gain_c : nullptr,
          of_c ? shift_c : nullptr};
}

/// A matrix in floating point: as it is, or of a quantized layer in `memory`.
template <class T>
const T* in_floating_point(const LayerSpec& spec, const T* matrix, const T* scales, Index rows,
                           Index columns, std::vector<T>& memory) {
  if constexpr (std::is_same_v<T, float>) {
    if (spec.quantization) {
      memory.resize(static_cast<std::size_t>(rows * columns));
      if (spec.quantization == Quantization::int16) {
        dequantize(integers_of<std::int16_t>(matrix), scales, rows, columns, memory.data());
      } else {
        dequantize(integers_of<std::int8_t>(matrix), scales, rows, columns, memory.data());
      }
      return memory.data();
    }
  }
  return matrix;
}

/// groups (groups, terms, kGates * lanes) = weights (outputs, terms), transposed.
template <class T>
void pack_outputs(const T* weights, Index outputs, Index terms, Index lanes, T* groups) {
  for (Index output = 0; output < outputs; ++output) {
    const Index in_group = output % (kGates * lanes), group = output / (kGates * lanes);
    T* to = groups + group * terms * kGates * lanes + in_group;
    for (Index k = 0; k < terms; ++k, to += kGates * lanes) *to = weights[output * terms + k];
  }
}

}  // namespace

template <class T>
void PackedForward<T>::pack(const LayerSpec& spec, const LayerWeights<const T>& weights, Isa isa) {
  isa_ = isa;
  const Index H = spec.hidden_size, I = spec.input_size, P = spec.recurrent_size();
  const ForwardKernels<T>& kernels = forward_kernels_of<T>(isa);
  const Index lanes = kernels.lanes, row = kGates * lanes;
  const bool diagonal = spec.peephole == Peephole::diagonal;
  const bool dense_output = has_dense_output(spec);

  view_ = {};
  view_.panels = round_up(H, lanes) / lanes;
  view_.terms = terms_in_floating_point(spec);
  const bool two_chains =
      view_.panels <= kPanelsOfTwoChains && !spec.layer_norm && !spec.quantization;
  view_.second_chain = two_chains ? I + (P + 1) / 2 : view_.terms;

  const Index panel_size = view_.panels * view_.terms * row, vector_size = view_.panels * row;
  const Index output_size = dense_output ? round_up(view_.panels, kGates) * H * lanes : 0;
  const bool has_narrow = two_chains && view_.panels == 2 && H - lanes <= lanes / kGates;
  const Index narrow_size = has_narrow ? view_.terms * lanes : 0;
  const Index norm_size = spec.layer_norm ? 3 * vector_size + 2 * view_.panels * lanes : 0;
  const Index projection_size = spec.projection_size ? round_up(P, row) * H : 0;
  const Index size = panel_size + narrow_size + vector_size + (diagonal ? vector_size : 0) +
                     output_size + norm_size + projection_size;
  T* const storage = storage_.reserve(size);
  const bool all_written = spec.peephole != Peephole::dense;
  std::fill(storage + (all_written ? panel_size : 0), storage + size, T(0));

  T* const panel = storage;
  T* const narrow = panel + panel_size;
  T* const bias = narrow + narrow_size;
  T* const peepholes = bias + vector_size;
  T* const norm = storage + size - norm_size;
  T* const shift = spec.layer_norm ? norm : bias;
  const PanelWriter<T> terms(panel, view_.terms, kernels), biases(shift, 1, kernels),
      diagonals(peepholes, 1, kernels);
  for (Gate gate : kAllGates) {
    const Index k = index(gate);
    if (!spec.quantizes_input) terms.write(gate, weights.weight_ih + k * H * I, H, I, 0);
    if (!spec.quantization) {
      terms.write(gate, weights.weight_hh + k * H * P, H, P, I);
      if (has_dense_terms(spec, gate)) {
        terms.write(gate, weights.weight_ch + k * H * H, H, H, I + P);
      }
    }
    if (weights.bias != nullptr) biases.write(gate, weights.bias + k * H, H, 1, 0);
    if (diagonal && spec.has_peephole(gate)) {
      diagonals.write(gate, weights.weight_ch + k * H, H, 1, 0);
    }
  }
  std::vector<T> memory;
  if constexpr (std::is_same_v<T, float>) {
    if (spec.quantization) {
      integers_.pack(spec, weights, isa);
      view_.quantized = integers_.view();
    }
  }
  if (spec.layer_norm) {
    view_.norm = pack_norm(spec, weights, kernels, view_.panels, norm);
  }
  if (has_narrow) {
    pack_narrow(panel + view_.terms * row, view_.terms, lanes, narrow);
    view_.narrow = narrow;
  }
  if (dense_output) {
    const T* const dense =
        in_floating_point(spec, weights.weight_ch, weights.weight_ch_scale, kGates * H, H, memory);
    pack_outputs(dense + index(Gate::output) * H * H, H, H, lanes, peepholes);
    view_.dense_output = peepholes;
  }
  if (spec.projection_size) {
    T* const projection = norm - projection_size;
    pack_outputs(in_floating_point(spec, weights.weight_hr, weights.weight_hr_scale, P, H, memory),
                 P, H, lanes, projection);
    view_.projection = projection;
  }
  view_.panel = panel;
  view_.bias = bias;
  if (diagonal) view_.diagonal = peepholes;
}

template class PackedForward<float>;
template class PackedForward<double>;

}  // namespace peephole::kernels
