#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "peephole/config.hpp"
#include "peephole/parameters.hpp"
#include "peephole/types.hpp"

namespace peephole {

template <class T>
class Network;
template <class T>
class Stack;
template <class T>
class Stream;

/// What a tape keeps of each layer and direction, and what backward computes again.
enum class Keep {
  all,       ///< the activated gates (N, 4H), c (N, H), h (N, H) and the initial state
  segments,  ///< h, and the state (B, H) between segments of steps, about sqrt(3 T) of them: a
             ///< sixth of the memory, for one more forward pass within backward. All results have
             ///< the same bits. Gradient checkpointing after T. Chen et al., arXiv:1604.06174.
};

/// What a training pass over a stack of N steps keeps for its backward pass: what Keep says, and
/// the layer-0 input (N, I).
///
/// Filled by LSTM::forward; reused by the next forward it is given to, without allocation when the
/// shapes are no larger. One tape may serve several backward passes, also at the same time.
template <class T>
class Tape {
 public:
  explicit Tape(Keep keep = Keep::all);
  ~Tape();
  Tape(Tape&&) noexcept;
  Tape& operator=(Tape&&) noexcept;

  Index batch() const noexcept;
  Index time() const noexcept;
  /// Bytes of values kept.
  std::size_t bytes() const noexcept;

  struct Impl;
  Impl& impl() const noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// A stack of peephole LSTM layers.
///
///     a_k,t = W_k x_t + R_k h_{t-1} + P_k c_{t-1} + b_k          k = i, f, g, o
///     i = σ_i(a_i)   f = σ_f(a_f)   g = g(a_g)   o = σ_o(a_o)
///     c_t = f ⊙ c_{t-1} + g ⊙ i
///     h_t = h(c_t) ⊙ o
///
/// With OutputPeephole::current, P_o reads c_t. In a stack, h_t of one layer is x_t of the next; of
/// bidirectional layers, both halves side by side, forward first.
///
/// Thread safety: const members may run on several threads at once; nothing may write parameters
/// meanwhile.
///
/// In all members: `lengths` is empty (every sequence has T steps) or holds B numbers in 0..T.
/// States are empty (zeros; for results: not wanted) or hold one view per layer and direction:
/// layer 0 forward, layer 0 reverse, layer 1 forward, ... Results may not overlap inputs,
/// parameters or each other. Everything is checked before anything is computed or written:
/// std::invalid_argument names the argument, what was expected and what came.
template <class T>
class LSTM {
 public:
  explicit LSTM(const LSTMConfig& config);
  LSTM(LSTM&&) noexcept = default;
  LSTM& operator=(LSTM&&) noexcept = default;

  const LSTMConfig& config() const noexcept;
  Parameters<T>& parameters() noexcept;
  const Parameters<T>& parameters() const noexcept;

  /// Inference.
  /// x        (B, T, I), read
  /// initial  L*D states (B, H_k), read
  /// y        (B, T, D*H_last), overwritten; exactly 0 beyond a sequence's length
  /// final    L*D states (B, H_k), overwritten: the state at each sequence's last real step, for
  ///          length 0 the initial state
  void infer(SequenceView<const T> x, Span<const Index> lengths,
             Span<const StateView<const T>> initial, SequenceView<T> y,
             Span<const StateView<T>> final) const;

  /// The same in training: draws what the configuration's dropout, recurrent_dropout and zoneout
  /// ask for, and keeps in `tape` what backward needs. seed  of what is drawn, a function of it,
  /// layer, direction, place in the batch, step and unit;
  ///       a configuration that is regularised() needs one
  void forward(SequenceView<const T> x, Span<const Index> lengths,
               Span<const StateView<const T>> initial, SequenceView<T> y,
               Span<const StateView<T>> final, Tape<T>& tape,
               std::optional<std::uint64_t> seed = {}) const;

  /// Exact gradients by backpropagation through time.
  /// dy           (B, T, D*H_last), read; entries beyond a sequence's length are ignored
  /// dfinal       gradient of the final states, read
  /// dx           (B, T, I), overwritten, 0 beyond a length; data may be null: not wanted
  /// dinitial     gradient of the initial states, overwritten
  /// dparameters  parameters().flat_size() values in its layout, of which those of this stack are
  ///              overwritten
  /// Throws as well for a tape of another model, or of parameters announced as changed since.
  void backward(const Tape<T>& tape, SequenceView<const T> dy,
                Span<const StateView<const T>> dfinal, SequenceView<T> dx,
                Span<const StateView<T>> dinitial, T* dparameters) const;

 private:
  friend class Network<T>;
  friend class Stream<T>;
  explicit LSTM(std::shared_ptr<Stack<T>> stack);

  std::shared_ptr<Stack<T>> stack_;
};

extern template class Tape<float>;
extern template class Tape<double>;
extern template class LSTM<float>;
extern template class LSTM<double>;

}  // namespace peephole
