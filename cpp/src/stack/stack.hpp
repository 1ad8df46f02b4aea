#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/buffer.hpp"
#include "base/pool.hpp"
#include "compute/layer_packs.hpp"
#include "compute/run.hpp"
#include "compute/segments.hpp"
#include "compute/step.hpp"
#include "layer/layer.hpp"
#include "peephole/lstm.hpp"
#include "peephole/parameters.hpp"

namespace peephole {

/// What a pass over a stack leaves behind. In training it is the tape; in inference only `schedule`
/// and the last layer's h mean anything afterwards.
template <class T>
struct StackRecord {
  struct Layer {
    Buffer<T> gates;                // (N, 4H), Keep::all only
    Buffer<T> c;                    // (N, H), Keep::all only
    Buffer<T> initial_h;            // (B, H), of each segment: (segments, B, H)
    Buffer<T> initial_c;            // (B, H), likewise
    std::vector<Segment> segments;  // Keep::segments only: in the order of forward
  };

  Keep keep = Keep::all;  // in training

  Schedule schedule;
  Buffer<T> x;                 // (N, I)
  std::vector<Buffer<T>> h;    // per layer (N, D*H); in inference two, used in turn
  std::vector<Layer> layers;   // per layer and direction
  Buffer<T> top;               // (N, D*H): the last layer's h as a head reads it, after dropout
  std::uint64_t seed = 0;      // of what training draws; set before forward, as the next one
  bool feeds_head = false;     // the last layer's h goes to a head, and dropout meets it on the way
  bool training = false;       // complete, and holding what backward needs
  std::uint64_t identity = 0;  // of the parameters it was computed with
  std::uint64_t writes = 0;    // their count of announced writes then
  std::size_t bytes = 0;       // of the values kept
  IsaChoice isa;               // read once, when forward began
};

/// The layers of an LSTM over packed rows: what LSTM and Network have in common. Arguments are
/// those of LSTM, already checked.
template <class T>
class Stack {
 public:
  Stack(LSTMConfig config, std::shared_ptr<Parameters<T>> parameters);

  const LSTMConfig& config() const noexcept { return config_; }
  Parameters<T>& parameters() const noexcept { return *parameters_; }
  /// D * H_last: the width of the top rows.
  Index output_size() const noexcept { return config_.output_size(); }

  /// Computes a record, from which backward may start if `training`. y: h of the last layer.
  void forward(SequenceView<const T> x, Span<const Index> lengths,
               Span<const StateView<const T>> initial, SequenceView<T> y,
               Span<const StateView<T>> final, StackRecord<T>& record, bool training) const;
  /// The same, but leaves h of the last layer, (N, output_size()), in `record`, and returns it.
  Rows<const T> forward_rows(SequenceView<const T> x, Span<const Index> lengths,
                             Span<const StateView<const T>> initial, Span<const StateView<T>> final,
                             StackRecord<T>& record, bool training) const;

  /// dtop (N, output_size()): gradient of what forward returned.
  void backward(const StackRecord<T>& record, Rows<const T> dtop,
                Span<const StateView<const T>> dfinal, SequenceView<T> dx,
                Span<const StateView<T>> dinitial, T* dparameters) const;

  /// One layer of a stack of one direction, for callers that run single steps.
  StepLayer<T> step_layer(Index layer, IsaChoice isa) const;

  /// A record to run inference with.
  auto borrow_record() const { return records_.borrow(); }
  /// Memory for rows over a record's schedule.
  auto borrow_rows() const { return rows_.borrow(); }

 private:
  /// One layer in one direction: what it is, and where its parameters stand in specs(), -1:
  /// nowhere.
  struct Pass {
    LayerSpec spec;
    Direction direction;
    Index weight_ih, weight_hh, weight_ch, bias;
    std::unique_ptr<LayerPacks<T>> packs;
  };
  /// Of the directions of the layer at hand.
  struct ForwardWorkspace {
    ForwardScratch<T> scratch;
    std::vector<ForwardDirection<T>> directions;
    Buffer<T> state_h[2], state_c[2];  // (B, H)
    Buffer<T> dropped;                 // (N, D*H): what dropout leaves for the next layer
    Schedule part;                     // of the segment at hand
    std::vector<ForwardDirection<T>> direction_of_part;
  };
  struct BackwardWorkspace {
    BackwardScratch<T> scratch;
    std::vector<BackwardDirection<T>> directions;
    Buffer<T> dstate_h[2], dstate_c[2];  // (B, H)
    Buffer<T> dh[2];                     // (N, D*H): of the layer at hand and of the one below
    Buffer<T> dx_part;                   // (N, I): the second direction's share
    Buffer<T> factors, dropped;          // (N, I): of dropout, and what it left
    Schedule part;                       // of the segment at hand, and what is computed again:
    Buffer<T> gates, c, h;               // (rows, 4H), (rows, H), (rows, H)
    std::vector<BackwardDirection<T>> direction_of_part;
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

  void begin(const SequenceView<const T>& x, Span<const Index> lengths, StackRecord<T>& record,
             bool training) const;
  Rows<const T> pack_and_forward(const SequenceView<const T>& x,
                                 Span<const StateView<const T>> initial,
                                 Span<const StateView<T>> final, StackRecord<T>& record,
                                 bool training) const;
  /// From the rows of x; in_place: where h of the last layer goes, data null: into the record.
  StepRows<const T> forward_layers(StepRows<const T> x, StepRows<T> in_place,
                                   Span<const StateView<const T>> initial,
                                   Span<const StateView<T>> final, StackRecord<T>& record,
                                   bool training) const;
  LayerNoise noise_of(Index layer, const StackRecord<T>& record, bool training) const noexcept;
  bool drops_top(const StackRecord<T>& record) const noexcept {
    return record.feeds_head && config_.dropout > 0;
  }
  void forward_layer(Index layer, StepRows<const T> input, StepRows<T> h,
                     Span<const StateView<const T>> initial, Span<const StateView<T>> final,
                     StackRecord<T>& record, bool training, ForwardWorkspace& work) const;
  /// Runs one direction, and keeps the states between segments.
  void forward_segments(const ForwardDirection<T>& direction, typename StackRecord<T>::Layer& kept,
                        ForwardWorkspace& work) const;
  /// Runs the direction, whose gates and c are computed again by the backend `forward`.
  void backward_segments(const BackwardDirection<T>& direction,
                         const typename StackRecord<T>::Layer& kept, const Pass& pass,
                         const Backend& forward, BackwardWorkspace& work) const;
  void backward_layer(Index layer, const StackRecord<T>& record, Rows<const T> x, Rows<const T> dh,
                      Rows<T> dx, Span<const StateView<const T>> dfinal,
                      Span<const StateView<T>> dinitial, T* dparameters, IsaChoice isa,
                      BackwardWorkspace& work) const;
  /// The packed weights that this backend reads.
  std::shared_ptr<const kernels::PackedForward<T>> pack_forward(const Pass& pass,
                                                                const Backend& backend) const;
  std::shared_ptr<const kernels::PackedBackward<T>> pack_backward(const Pass& pass,
                                                                  const Backend& backend,
                                                                  const Schedule& schedule) const;

  LSTMConfig config_;
  std::shared_ptr<Parameters<T>> parameters_;
  std::vector<Pass> passes_;  // per layer and direction
  mutable Pool<StackRecord<T>> records_;
  mutable Pool<Buffer<T>> rows_;
  mutable Pool<ForwardWorkspace> forward_workspaces_;
  mutable Pool<BackwardWorkspace> backward_workspaces_;
};

}  // namespace peephole
