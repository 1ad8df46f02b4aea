#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/buffer.hpp"
#include "base/dual.hpp"
#include "base/fork_gate.hpp"
#include "base/pool.hpp"
#include "compute/layer_packs.hpp"
#include "compute/run.hpp"
#include "compute/segments.hpp"
#include "compute/step.hpp"
#include "layer/layer.hpp"
#include "model/parameters_access.hpp"
#include "peephole/lstm.hpp"
#include "peephole/parameters.hpp"

namespace peephole {

/// An index of layers or passes, as std::vector takes it.
inline std::size_t at(Index i) noexcept { return static_cast<std::size_t>(i); }

/// What a forward pass is for.
enum class Mode {
  inference,  // nothing is drawn or kept
  trace,      // nothing is drawn; gates, c and h are kept to be looked at
  training    // draws, and keeps what backward needs
};

/// What a pass over a stack keeps. In inference only `schedule` and the last layer's h mean
/// anything afterwards.
template <class T>
struct StackTape {
  struct Layer {
    Buffer<T> gates;                // (N, 4H), Keep::all only
    Buffer<T> c;                    // (N, H), Keep::all only
    Buffer<T> clipped;              // (N, H), Keep::all with preactivation_clip only
    Buffer<T> normalised, scales;   // those of NormTape, Keep::all only
    Buffer<T> unclipped;            // (N, P), Keep::all with projection_clip only
    Buffer<T> initial_h;            // (B, P), of each segment: (segments, B, P)
    Buffer<T> initial_c;            // (B, H), likewise
    std::vector<Segment> segments;  // Keep::segments only: in the order of forward

    std::size_t bytes() const noexcept {
      return gates.bytes() + c.bytes() + clipped.bytes() + unclipped.bytes() + normalised.bytes() +
             scales.bytes() + initial_h.bytes() + initial_c.bytes();
    }
  };

  Keep keep = Keep::all;  // but in inference
  Span<T> memory = {};    // the caller's, which holds x, h and all of `layers`; empty: their own

  Schedule schedule;
  std::vector<Index> hidden_sizes, recurrent_sizes;  // per layer: H and P
  Index directions = 1;
  Buffer<T> x;                 // (N, I)
  std::vector<Buffer<T>> h;    // per layer (N, D*P); in inference two, used in turn
  std::vector<Layer> layers;   // per layer and direction
  Buffer<T> top;               // (N, D*P): the last layer's h as a head reads it, after dropout
  std::uint64_t seed = 0;      // of what training draws; set before forward, as the next one
  bool feeds_head = false;     // the last layer's h goes to a head, and dropout meets it on the way
  bool initial_given = false;  // the caller gave the initial state
  std::optional<Mode> filled;  // what the pass was for; none until it has ended
  std::uint64_t identity = 0;  // of the parameters that it was computed with
  std::uint64_t revision = 0;  // of their values then
  std::size_t kept_bytes = 0;  // of the values that a trace or training keeps
  IsaChoice isa;               // read once, when forward began

  /// Of all memory that it holds.
  std::size_t bytes() const noexcept {
    std::size_t sum = x.bytes() + top.bytes();
    for (const Buffer<T>& of_layer : h) sum += of_layer.bytes();
    for (const Layer& layer : layers) sum += layer.bytes();
    return sum;
  }
};

/// The memory of what layer normalisation keeps of some packed rows; null without it. `holder` has
/// buffers of these names.
template <class T, class Holder>
NormTape<T> reserve_norm(const LayerSpec& spec, Index rows, Holder& holder) {
  if (!spec.layer_norm) return {};
  return {holder.normalised.reserve(rows * spec.normalised_size()),
          holder.scales.reserve(rows * spec.normalised_groups())};
}

/// How much memory place() needs.
template <class T>
TapeSize tape_size(const LSTMConfig& config);

/// Throws std::invalid_argument where a tape's memory, if it has one, is too small.
template <class T>
void check_memory(const LSTMConfig& config, Index batch, Index time, Span<T> memory);

/// Places the arrays of a training pass with Keep::all over the tape's schedule into its memory.
template <class T>
void place(const LSTMConfig& config, StackTape<T>& tape);

/// Sets what a pass leaves unused of a tape's memory to 0, so that equal calls leave equal memory.
template <class T>
void clear_unused(const LSTMConfig& config, StackTape<T>& tape);

/// Throws std::invalid_argument for a quantized model.
void refuse_training(const LSTMConfig& config);

/// The layers of an LSTM over packed rows: what LSTM and Network have in common. Arguments are
/// those of LSTM, already checked.
template <class T>
class Stack {
 public:
  Stack(LSTMConfig config, std::shared_ptr<Parameters<T>> parameters);

  const LSTMConfig& config() const noexcept { return config_; }
  Parameters<T>& parameters() const noexcept { return *parameters_; }
  /// D * P_last: the width of the top rows.
  Index output_size() const noexcept { return config_.output_size(); }

  /// Fills a tape, from which backward may start after training. outputs.y: h of the last layer.
  void forward(const Call<T>& call, const Outputs<T>& outputs, StackTape<T>& tape, Mode mode) const;
  /// The same, but leaves h of the last layer, (N, output_size()), in `tape`, and returns it.
  Rows<const T> forward_rows(const Call<T>& call, Span<const StateView<T>> final,
                             StackTape<T>& tape, Mode mode) const;
  /// The same in two parts, for a caller that fills `tape.x` (N, I) between them: of `call` only
  /// the sizes and lengths are read, then the initial state.
  void begin(const Call<T>& call, StackTape<T>& tape, Mode mode) const;
  Rows<const T> forward_filled(const Call<T>& call, Span<const StateView<T>> final,
                               StackTape<T>& tape, Mode mode) const;

  /// Restores a tape whose memory was filled by forward, in training, over such sequences.
  void reopen(Index batch, Index time, Span<const Index> lengths, bool initial_given,
              StackTape<T>& tape) const;

  /// dtop (N, output_size()): gradient of what forward returned. isa: read once for the whole call.
  /// dx (N, I), overwritten: the gradient of the rows of x; data null: `inputs.x` alone is given.
  void backward(const StackTape<T>& tape, Rows<const T> dtop, Span<const StateView<const T>> dfinal,
                const InputGradients<T>& inputs, T* dparameters, IsaChoice isa,
                Rows<T> dx = {}) const;

  /// One layer of a stack of one direction, for callers that run single steps.
  StepLayer<T> step_layer(Index layer, IsaChoice isa) const;

  /// Where the h and c of a layer's learned initial state begin in the parameters' flat layout;
  /// -1 for both where sequences begin at zeros.
  struct InitialOffsets {
    Index h, c;
  };
  InitialOffsets initial_offsets(Index layer, Index direction) const noexcept;

  /// A tape to run inference with.
  auto borrow_tape() const { return tapes_.borrow(); }
  /// Memory for rows over a tape's schedule.
  auto borrow_rows() const { return rows_.borrow(); }
  /// Frees idle workspaces and packed weights.
  void release_workspaces() const;

  /// What streams of this stack share, without or with the head of a network: what make(IsaChoice)
  /// returned, which stays the same while a stream holds it and neither the parameters nor the
  /// instruction set change.
  template <class Shared, class Make>
  std::shared_ptr<const Shared> share(bool with_head, Make&& make) const;

 private:
  /// One layer in one direction: what it is, and where its parameters stand in specs(), -1:
  /// nowhere.
  struct Pass {
    LayerSpec spec;
    Direction direction;
    Index weight_ih, weight_hh, weight_ch, bias, h0, c0;
    Index gain, gain_ih, gain_hh, gain_c, shift_c;
    Index weight_hr;
    Index weight_ih_scale, weight_hh_scale, weight_ch_scale, weight_hr_scale;
    std::unique_ptr<LayerPacks<T>> packs;
  };
  /// Of the directions of the layer at hand.
  struct ForwardWorkspace {
    ForwardScratch<T> scratch;
    std::vector<ForwardDirection<T>> directions;
    Buffer<T> state_h[2], state_c[2];  // (B, P), (B, H)
    Buffer<T> dropped;                 // (N, D*P): what dropout leaves for the next layer
    Schedule part;                     // of the segment at hand
    std::vector<ForwardDirection<T>> direction_of_part;

    std::size_t bytes() const noexcept { return dropped.bytes(); }  // the rest is small
  };
  struct BackwardWorkspace {
    BackwardScratch<T> scratch;
    std::vector<BackwardDirection<T>> directions;
    Buffer<T> dstate_h[2], dstate_c[2];  // (B, P), (B, H)
    Buffer<T> dh[2];                     // (N, D*P): of the layer at hand and of the one below
    Buffer<T> dx_part;                   // (N, I): the second direction's share
    Buffer<T> factors, dropped;          // (N, I): of dropout, and what it left
    Schedule part;                       // of the segment at hand, and what is computed again:
    // (rows, 4H), (rows, H), (rows, P), (rows, H), (rows, P)
    Buffer<T> gates, c, h, clipped, unclipped;
    Buffer<T> normalised, scales;  // those of NormTape
    std::vector<BackwardDirection<T>> direction_of_part;

    /// But for the kernels' own, which are bounded.
    std::size_t bytes() const noexcept {
      return scratch.bytes() + dh[0].bytes() + dh[1].bytes() + dx_part.bytes() + factors.bytes() +
             dropped.bytes() + gates.bytes() + c.bytes() + h.bytes() + clipped.bytes() +
             unclipped.bytes() + normalised.bytes() + scales.bytes();
    }
  };

  Pass make_pass(Index layer, Index direction) const;
  Index pass_index(Index layer, Index d) const noexcept { return layer * config_.directions() + d; }
  const Pass& pass(Index layer, Index d) const noexcept {
    return passes_[static_cast<std::size_t>(pass_index(layer, d))];
  }
  /// The tensors of `pass` in a block of the parameters' flat layout.
  template <class U>
  LayerWeights<U> weights_in(const Pass& pass, U* flat) const noexcept;
  LayerWeights<const T> weights_of(const Pass& pass) const noexcept;
  LayerWeights<T> gradients_of(const Pass& pass, T* dparameters) const noexcept;

  /// Sets a tape up for sequences of these lengths.
  void open(Index batch, Index time, Span<const Index> lengths, StackTape<T>& tape,
            Mode mode) const;
  /// Leaves h of the last layer as packed rows in the tape. In inference x is read in place, if
  /// possible.
  Rows<const T> forward_to_rows(const Call<T>& call, Span<const StateView<T>> final,
                                StackTape<T>& tape, Mode mode) const;
  /// From the rows of x; in_place: where h of the last layer goes, data null: into the tape.
  StepRows<const T> forward_layers(StepRows<const T> x, StepRows<T> in_place,
                                   Span<const StateView<const T>> initial,
                                   Span<const StateView<T>> final, StackTape<T>& tape,
                                   Mode mode) const;
  LayerNoise noise_of(Index layer, const StackTape<T>& tape, Mode mode) const noexcept;
  bool drops_top(const StackTape<T>& tape) const noexcept {
    return tape.feeds_head && config_.dropout > 0;
  }
  void forward_layer(Index layer, StepRows<const T> input, StepRows<T> h,
                     Span<const StateView<const T>> initial, Span<const StateView<T>> final,
                     StackTape<T>& tape, Mode mode, ForwardWorkspace& work) const;
  /// Leaves the initial state of a direction in the workspace: the caller's, the learned one, or
  /// zeros.
  void begin_state(Index layer, Index direction, Span<const StateView<const T>> initial,
                   const Schedule& schedule, ForwardWorkspace& work) const;
  /// Overwrites the gradients of a direction's learned initial state, if it has one. dstate_h,
  /// dstate_c (B, H): the gradient of the initial state.
  void initial_gradients(Index layer, Index direction, const StackTape<T>& tape, const T* dstate_h,
                         const T* dstate_c, T* dparameters) const;
  /// Runs one direction, and keeps the states between segments.
  void forward_segments(const ForwardDirection<T>& direction, typename StackTape<T>::Layer& kept,
                        ForwardWorkspace& work) const;
  /// Runs the direction, whose gates and c are computed again by the backend `forward`.
  void backward_segments(const BackwardDirection<T>& direction,
                         const typename StackTape<T>::Layer& kept, const Pass& pass,
                         const Backend& forward, BackwardWorkspace& work) const;
  void backward_layer(Index layer, const StackTape<T>& tape, Rows<const T> x, Rows<const T> dh,
                      Rows<T> dx, Span<const StateView<const T>> dfinal,
                      Span<const StateView<T>> dinitial, T* dparameters, IsaChoice isa,
                      BackwardWorkspace& work) const;
  /// The packed weights that this backend reads.
  std::shared_ptr<const kernels::PackedForward<T>> pack_forward(const Pass& pass,
                                                                const Backend& backend) const;
  std::shared_ptr<const kernels::PackedBackward<T>> pack_backward(const Pass& pass,
                                                                  const Backend& backend,
                                                                  const Schedule& schedule) const;

  /// What share() made last, for stacks and for networks.
  struct SharedByStreams {
    std::shared_ptr<const void> made;
    std::uint64_t revision = 0;
    IsaChoice isa;
  };

  LSTMConfig config_;
  std::shared_ptr<Parameters<T>> parameters_;
  std::vector<Pass> passes_;  // per layer and direction
  mutable Pool<StackTape<T>> tapes_;
  mutable Pool<Buffer<T>> rows_;
  mutable Pool<ForwardWorkspace> forward_workspaces_;
  mutable Pool<BackwardWorkspace> backward_workspaces_;
  mutable Mutex shared_mutex_;
  mutable SharedByStreams shared_[2];
};

template <class T>
template <class Shared, class Make>
std::shared_ptr<const Shared> Stack<T>::share(bool with_head, Make&& make) const {
  const std::uint64_t revision = ParametersAccess<T>::refresh(*parameters_);
  const IsaChoice isa = chosen_isa();
  SharedByStreams& slot = shared_[with_head ? 1 : 0];
  const auto current = [&]() -> std::shared_ptr<const Shared> {
    if (slot.revision != revision || !same_kernels(slot.isa, isa)) return nullptr;
    return std::static_pointer_cast<const Shared>(slot.made);
  };
  {
    const Locked lock(shared_mutex_);
    if (auto shared = current()) return shared;
  }
  // Made without the lock, since packing takes locks of its own.
  const std::shared_ptr<const Shared> made = make(isa);
  const Locked lock(shared_mutex_);
  if (auto shared = current()) return shared;  // another thread was faster
  slot = {made, revision, isa};
  return made;
}

}  // namespace peephole
