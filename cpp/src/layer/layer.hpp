#pragma once

#include <limits>

#include "layer/schedule.hpp"
#include "peephole/config.hpp"

/// One layer in one direction: what every implementation of the equations is given. All arrays are
/// over the packed rows of a Schedule (N of them) or over its ranks (B); all memory is the
/// caller's.
namespace peephole {

/// A bound that clips nothing.
inline constexpr double kNoClip = std::numeric_limits<double>::infinity();

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

  bool clips_cell() const noexcept { return cell_clip != kNoClip; }
  bool clips_preactivations() const noexcept { return preactivation_clip != kNoClip; }
  bool has_peephole(Gate gate) const noexcept {
    return peephole != Peephole::none && peephole_gates.contains(gate);
  }
  bool output_reads_current() const noexcept {
    return has_peephole(Gate::output) && output_peephole == OutputPeephole::current;
  }
};

/// The layer's parameters, or their gradients. Absent ones are null.
template <class T>
struct LayerWeights {
  T* weight_ih;  // (4H, I)
  T* weight_hh;  // (4H, H)
  T* weight_ch;  // (4, H) diagonal, (4H, H) dense
  T* bias;       // (4H,)
};

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

/// a_k,t = W_k x_t + R_k h_{t-1} + P_k c_{t-1} + b_k and what follows from it; see LSTM.
template <class T>
struct LayerForward {
  const LayerSpec& spec;
  const Schedule& schedule;
  Direction direction;
  LayerWeights<const T> weights;
  StepRows<const T> x;  // (N, I), read
  StepRows<T> h;        // (N, H), overwritten
  T* gates;             // (N, 4H) activated i, f, g, o, overwritten; null in inference
  T* c;                 // (N, H), overwritten; null in inference
  T* state_h;           // (B, H): the initial state, replaced by the final one
  T* state_c;           // (B, H)
  /// (N, H), overwritten: the sum of 1 << gate over the gates whose a_k was clipped. Null in
  /// inference, and without preactivation_clip.
  T* clipped = nullptr;
};

/// The exact gradient of LayerForward.
template <class T>
struct LayerBackward {
  const LayerSpec& spec;
  const Schedule& schedule;
  Direction direction;
  LayerWeights<const T> weights;
  Rows<const T> x;             // (N, I), read
  Rows<const T> h;             // (N, H), read
  const T* gates;              // (N, 4H), read
  const T* c;                  // (N, H), read
  const T* initial_h;          // (B, H), read
  const T* initial_c;          // (B, H), read
  Rows<const T> dh;            // (N, H): gradient of h from above, read
  Rows<T> dx;                  // (N, I), overwritten; data null: not wanted
  T* dstate_h;                 // (B, H): gradient of the final state, replaced by the initial one's
  T* dstate_c;                 // (B, H)
  LayerWeights<T> dweights;    // overwritten; entries of masked weights may hold anything
  bool accumulate = false;     // add to dweights instead: this is not the first part of a pass
  const T* clipped = nullptr;  // (N, H), read; null without preactivation_clip
};

}  // namespace peephole
