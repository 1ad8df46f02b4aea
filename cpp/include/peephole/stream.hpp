#pragma once

#include <memory>

#include "peephole/export.h"
#include "peephole/network.hpp"

namespace peephole {

template <class T>
struct StreamModel;

/// A model with its state, computed step by step as the steps come: for audio, control, trading.
///
/// A run of steps gives the bits that infer() gives for the whole sequence without a given state,
/// in blocks of any size, for every model but bidirectional ones: those read a sequence from its
/// end too.
///
/// A stream is made once, where allocation and exceptions are allowed. After that step, process,
/// reset, set_state, get_state, swap and the sizes neither allocate, free, lock, throw nor call the
/// system, so that they may run on a real-time thread. (Only the readable path, isa() "reference",
/// allocates.) Denormal numbers count as zeros inside a call; the caller's floating-point mode is
/// then restored.
///
/// Construction and copying allocate; the destructor and move assignment free memory. None of them
/// belongs on a real-time thread. To exchange the model of one, make the new stream elsewhere,
/// swap() on the thread, and destroy the old one elsewhere:
///
///     std::atomic<Stream<float>*> next{nullptr}, old{nullptr};  // one exchange at a time
///
///     // the thread that loads models
///     delete old.exchange(nullptr);
///     delete next.exchange(new Stream<float>(load<Network<float>>(path)));
///
///     // the real-time thread, before each block; `stream` is its own
///     if (old == nullptr) {
///       if (Stream<float>* const loaded = next.exchange(nullptr)) {
///         stream.swap(*loaded);
///         old = loaded;  // holds the stream that was used so far
///       }
///     }
///
/// A NaN in x becomes part of the state: all later outputs of that sequence may be NaN, until
/// reset() or set_state(). Other sequences of the batch are not affected.
///
/// Weights are those of the model at the time of construction, packed for the instruction set
/// chosen then; later changes of the model do not reach a stream, make a new one for them. Streams
/// of the same, unchanged model share one copy of the weights, which is never written to. The model
/// keeps that copy for the next stream, until it changes and another stream is made, or until
/// release_workspaces(); streams outlive the model.
///
/// Thread safety: a stream belongs to one thread at a time. Different streams, of one model too,
/// may run at the same time. A step uses the caller's thread alone.
///
/// Member functions check their arguments by assert() only.
template <class T>
class PEEPHOLE_API Stream {
 public:
  /// y is h of the last layer: O = P_last. The state is zeros, or the model's learned initial
  /// state.
  ///
  /// batch  B, sequences that advance together
  ///
  /// Throws std::invalid_argument for a bidirectional model, for a network whose readout is the
  /// mean or the largest values of all steps, and for batch < 1 or beyond what can be addressed.
  explicit Stream(const LSTM<T>& lstm, Index batch = 1);
  /// y is the head's output, of every step also for Readout::last: there the last one is infer's.
  explicit Stream(const Network<T>& network, Index batch = 1);
  ~Stream();
  /// A branch: the same model, sharing its weights, in the same state. Each then has its own.
  Stream(const Stream& other);
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;

  void swap(Stream& other) noexcept;

  Index batch() const noexcept;                      // B
  Index input_size() const noexcept;                 // I
  Index output_size() const noexcept;                // O
  Index layers() const noexcept;                     // L
  Index hidden_size(Index layer) const noexcept;     // H of a layer
  Index recurrent_size(Index layer) const noexcept;  // P of a layer, the values of its h

  /// What the model is; without a head only config().lstm counts.
  const NetworkConfig& config() const noexcept;
  bool has_head() const noexcept;
  /// The parameters that it was made with, in the flat layout of the model's Parameters.
  const T* weights() const noexcept;

  /// One step.
  ///
  /// x  (B, I), read
  /// y  (B, O), overwritten; may be x itself where O = I, and may not overlap it otherwise
  void step(const T* x, T* y) noexcept;

  /// n steps, n >= 0.
  ///
  /// x  (B, n, I), read
  /// y  (B, n, O), overwritten; as for step()
  void process(const T* x, T* y, Index n) noexcept;

  /// Sets the state to where it was at first: zeros, or the model's learned initial state.
  void reset() noexcept;
  /// Sets the state of a layer: h (B, P) and c (B, H), read.
  void set_state(Index layer, StateView<const T> state) noexcept;
  /// Copies the state of a layer out: h (B, P) and c (B, H), overwritten.
  void get_state(Index layer, StateView<T> state) const noexcept;

 private:
  friend class Sessions<T>;
  std::shared_ptr<const StreamModel<T>> model() const noexcept;

  struct PEEPHOLE_HIDDEN Impl;
  std::unique_ptr<Impl> impl_;
};

template <class T>
void swap(Stream<T>& a, Stream<T>& b) noexcept {
  a.swap(b);
}

extern template class Stream<float>;
extern template class Stream<double>;

}  // namespace peephole
