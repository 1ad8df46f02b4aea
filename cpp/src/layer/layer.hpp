#pragma once

#include <limits>
#include <optional>

#include "layer/schedule.hpp"
#include "peephole/config.hpp"

/// One layer in one direction: what every implementation of the equations is given. All arrays are
/// over the packed rows of a Schedule (N of them) or over its ranks (B); all memory is the
/// caller's.
namespace peephole {

/// A bound that clips nothing.
inline constexpr double kNoClip = std::numeric_limits<double>::infinity();

/// The values of a packed row that layer normalisation normalises, and the number of groups that it
/// does so in: each gate; or W x, then R h.
inline Index normalised_size(std::optional<LayerNorm> norm, Index hidden_size) noexcept {
  return norm ? (norm == LayerNorm::gates ? 1 : 2) * kGates * hidden_size : 0;
}
inline Index normalised_groups(std::optional<LayerNorm> norm) noexcept {
  return norm ? (norm == LayerNorm::gates ? kGates : 2) : 0;
}

/// What a layer is.
struct LayerSpec {
  Index input_size;   // I
  Index hidden_size;  // H
  Peephole peephole;
  GateSet peephole_gates;
  OutputPeephole output_peephole;
  Activations activations;
  bool coupled_input_forget;
  double cell_clip = kNoClip;           // the bound of c_t
  double preactivation_clip = kNoClip;  // the bound of each a_k
  std::optional<LayerNorm> layer_norm = {};
  LayerNormCell layer_norm_cell = LayerNormCell::none;  // without layer_norm too
  double layer_norm_epsilon = 0;
  std::optional<Index> projection_size = std::nullopt;   // P
  std::optional<double> projection_clip = std::nullopt;  // h is clipped to ±this
  std::optional<Quantization> quantization = std::nullopt;
  bool quantizes_input = false;  // W is of integers, as the other matrices

  bool clips_cell() const noexcept { return cell_clip != kNoClip; }
  bool clips_preactivations() const noexcept { return preactivation_clip != kNoClip; }
  /// P, the values of h: H without a projection.
  Index recurrent_size() const noexcept { return projection_size.value_or(hidden_size); }
  bool has_peephole(Gate gate) const noexcept {
    return peephole != Peephole::none && peephole_gates.contains(gate);
  }
  bool output_reads_current() const noexcept {
    return has_peephole(Gate::output) && output_peephole == OutputPeephole::current;
  }
  Index normalised_size() const noexcept {
    return peephole::normalised_size(layer_norm, hidden_size);
  }
  Index normalised_groups() const noexcept { return peephole::normalised_groups(layer_norm); }
};

/// The layer's parameters, or their gradients. Absent ones are null.
template <class T>
struct LayerWeights {
  T* weight_ih;  // (4H, I)
  T* weight_hh;  // (4H, P)
  T* weight_ch;  // (4, H) diagonal, (4H, H) dense
  T* bias;       // (4H,)
  // Of layer normalisation:
  T* gain = nullptr;       // (4H,) of the gates
  T* gain_ih = nullptr;    // (4H,) of W x
  T* gain_hh = nullptr;    // (4H,) of R h
  T* gain_c = nullptr;     // (H,)
  T* shift_c = nullptr;    // (H,)
  T* weight_hr = nullptr;  // (P, H), with a projection
  // Of a quantized layer, whose matrices are integers in the memory that the pointers above give:
  // see integers_of(). W, and its scales, as quantizes_input says.
  T* weight_ih_scale = nullptr;  // (4H,)
  T* weight_hh_scale = nullptr;  // (4H,)
  T* weight_ch_scale = nullptr;  // (4H,), with dense peepholes
  T* weight_hr_scale = nullptr;  // (P,)
};

/// The integers of a matrix of a quantized layer.
template <class Integer, class T>
const Integer* integers_of(const T* matrix) noexcept {
  return reinterpret_cast<const Integer*>(matrix);
}

/// visit(tensor, its size) for each tensor of `weights` that there is.
template <class T, class Visitor>
void for_each_tensor(const LayerSpec& spec, LayerWeights<T>& weights, Visitor&& visit) {
  const Index I = spec.input_size, H = spec.hidden_size, rows = kGates * H;
  const auto one = [&](T*& tensor, Index size) {
    if (tensor != nullptr) visit(tensor, size);
  };
  one(weights.weight_ih, rows * I);
  one(weights.weight_hh, rows * spec.recurrent_size());
  one(weights.weight_ch, spec.peephole == Peephole::dense ? rows * H : rows);
  one(weights.bias, rows);
  for (T** gain : {&weights.gain, &weights.gain_ih, &weights.gain_hh}) one(*gain, rows);
  for (T** of_c : {&weights.gain_c, &weights.shift_c}) one(*of_c, H);
  one(weights.weight_hr, spec.recurrent_size() * H);
  for (T** scale : {&weights.weight_ih_scale, &weights.weight_hh_scale, &weights.weight_ch_scale}) {
    one(*scale, rows);
  }
  one(weights.weight_hr_scale, spec.recurrent_size());
}

/// Sets all values of `weights` to 0.
template <class T>
void set_zero(const LayerSpec& spec, const LayerWeights<T>& weights) noexcept;

/// Rows of consecutive values, `stride` elements apart.
template <class T>
struct Rows {
  T* data;
  Index stride;

  T* row(Index i) const noexcept { return data + i * stride; }
};

/// The rows of each step of a Schedule: packed, or, where all sequences are of one length, steps of
/// `step_stride` elements, as they lie in a caller's array.
template <class T>
struct StepRows {
  T* data;
  Index stride;
  Index step_stride = 0;  // 0: packed

  /// Where the first row of step t is, in elements from `data`.
  Index step(const Schedule& schedule, Index t) const noexcept {
    return step_stride != 0 ? t * step_stride : schedule.offset(t) * stride;
  }
};

/// What layer normalisation keeps for backward.
template <class T>
struct NormTape {
  T* normalised = nullptr;  // (N, normalised_size()): LN(z), before gain and shift
  T* scales = nullptr;      // (N, normalised_groups()): 1 / sqrt(var z + epsilon)
};

/// a_k,t = W_k x_t + R_k h_{t-1} + P_k c_{t-1} + b_k and what follows from it; see LSTM. P is
/// spec.recurrent_size().
template <class T>
struct LayerForward {
  const LayerSpec& spec;
  const Schedule& schedule;
  Direction direction;
  LayerWeights<const T> weights;
  StepRows<const T> x;    // (N, I), read
  StepRows<T> h;          // (N, P), overwritten
  T* gates;               // (N, 4H) activated i, f, g, o, overwritten; null in inference
  T* c;                   // (N, H), overwritten; null in inference
  T* state_h;             // (B, P): the initial state, replaced by the final one
  T* state_c;             // (B, H)
  NormTape<T> norm = {};  // overwritten; null in inference
  /// (N, H), overwritten: the sum of 1 << gate over the gates whose a_k was clipped. Null in
  /// inference, and without preactivation_clip.
  T* clipped = nullptr;
  /// (N, P): h before projection_clip and zoneout, overwritten; null in inference and without it.
  T* unclipped = nullptr;
};

/// The exact gradient of LayerForward.
template <class T>
struct LayerBackward {
  const LayerSpec& spec;
  const Schedule& schedule;
  Direction direction;
  LayerWeights<const T> weights;
  Rows<const T> x;           // (N, I), read
  Rows<const T> h;           // (N, P), read
  const T* gates;            // (N, 4H), read
  const T* c;                // (N, H), read
  const T* initial_h;        // (B, P), read
  const T* initial_c;        // (B, H), read
  Rows<const T> dh;          // (N, P): gradient of h from above, read
  Rows<T> dx;                // (N, I), overwritten; data null: not wanted
  T* dstate_h;               // (B, P): gradient of the final state, replaced by the initial one's
  T* dstate_c;               // (B, H)
  LayerWeights<T> dweights;  // overwritten; entries of masked weights may hold anything
  bool accumulate = false;   // add to dweights instead: this is not the first part of a pass
  NormTape<const T> norm = {};   // read
  const T* clipped = nullptr;    // (N, H), read; null without preactivation_clip
  const T* unclipped = nullptr;  // (N, P), read; null without projection_clip
};

}  // namespace peephole
