#pragma once

#include <memory>

#include "peephole/lstm.hpp"

namespace peephole {

/// What a network's training pass keeps: the stack's tape, and the head's input and output.
template <class T>
class NetworkTape {
 public:
  explicit NetworkTape(Keep keep = Keep::all);
  ~NetworkTape();
  NetworkTape(NetworkTape&&) noexcept;
  NetworkTape& operator=(NetworkTape&&) noexcept;

  Index batch() const noexcept;
  Index time() const noexcept;
  std::size_t bytes() const noexcept;

  struct Impl;
  Impl& impl() const noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// A stack of LSTM layers with a dense head: y_t = head(V h_t + v).
///
/// Readout::all reads every step: y (B, T, O), exactly 0 beyond a sequence's length. Readout::last
/// reads each sequence's last real step: y (B, 1, O); a sequence of length 0 has none, its y is 0.
/// Everything else as in LSTM.
template <class T>
class Network {
 public:
  explicit Network(const NetworkConfig& config);
  ~Network();
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;

  const NetworkConfig& config() const noexcept;
  Parameters<T>& parameters() noexcept;
  const Parameters<T>& parameters() const noexcept;
  /// The stack inside, over the same parameters.
  std::shared_ptr<LSTM<T>> lstm() const noexcept;

  /// y       (B, T, O), or (B, 1, O) for Readout::last, overwritten.
  /// logits  V h_t + v, shaped as y, overwritten, 0 where y is padding; data may be null: not
  ///         wanted.
  void infer(SequenceView<const T> x, Span<const Index> lengths,
             Span<const StateView<const T>> initial, SequenceView<T> y,
             Span<const StateView<T>> final, SequenceView<T> logits = {}) const;

  /// seed  as of LSTM::forward; dropout also meets the last layer's h on its way to the head.
  void forward(SequenceView<const T> x, Span<const Index> lengths,
               Span<const StateView<const T>> initial, SequenceView<T> y, SequenceView<T> logits,
               Span<const StateView<T>> final, NetworkTape<T>& tape,
               std::optional<std::uint64_t> seed = {}) const;

  /// What the given gradient is of: y, or the logits (of a loss computed soundly from them).
  enum class GradientOf { y, logits };

  /// gradient  shaped as y, read.
  void backward(const NetworkTape<T>& tape, SequenceView<const T> gradient, GradientOf of,
                Span<const StateView<const T>> dfinal, SequenceView<T> dx,
                Span<const StateView<T>> dinitial, T* dparameters) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

extern template class NetworkTape<float>;
extern template class NetworkTape<double>;
extern template class Network<float>;
extern template class Network<double>;

}  // namespace peephole
