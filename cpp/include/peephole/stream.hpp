#pragma once

#include <memory>

#include "peephole/network.hpp"

namespace peephole {

/// A model with its state, computed step by step as the steps come: for audio, control, trading.
///
/// A run of steps gives the bits that infer() gives for the whole sequence from zeros, in blocks of
/// any size, for every model but bidirectional ones: those read a sequence from its end too.
///
/// A stream is made once, where allocation and exceptions are welcome. From then on no member
/// function but the copy constructor allocates, locks, throws or calls the system, so that they may
/// run on a real-time thread. (Only the readable path allocates: isa() "reference", and models with
/// zoneout.) Denormal numbers count as zeros inside a call; the caller's floating-point mode is
/// then restored.
///
/// Weights are those of the model at the time of construction, packed for the instruction set
/// chosen then; later changes of the model do not reach a stream, make a new one for them. Streams
/// of one unchanged model share packed weights, which nobody writes, and outlive the model.
///
/// Thread safety: a stream belongs to one thread at a time. Different streams, of one model too,
/// may run at the same time. A step uses the caller's thread alone.
///
/// Member functions check their arguments by assert() only.
template <class T>
class Stream {
 public:
  /// y is h of the last layer: O = H_last. The state is zeros.
  ///
  /// batch  B, sequences that advance together
  ///
  /// Throws std::invalid_argument for a bidirectional model and for batch < 1.
  explicit Stream(const LSTM<T>& lstm, Index batch = 1);
  /// y is the head's output, of every step also for Readout::last: there the last one is infer's.
  explicit Stream(const Network<T>& network, Index batch = 1);
  ~Stream();
  /// The same model, sharing its weights, in the same state, which goes its own way from here on.
  Stream(const Stream& other);
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;

  Index batch() const noexcept;                   // B
  Index input_size() const noexcept;              // I
  Index output_size() const noexcept;             // O
  Index layers() const noexcept;                  // L
  Index hidden_size(Index layer) const noexcept;  // H of a layer

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

  /// Sets the state to zeros, where it was at first.
  void reset() noexcept;
  /// Sets the state of a layer: h and c, each (B, H), read.
  void set_state(Index layer, StateView<const T> state) noexcept;
  /// Copies the state of a layer out: h and c, each (B, H), overwritten.
  void get_state(Index layer, StateView<T> state) const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

extern template class Stream<float>;
extern template class Stream<double>;

}  // namespace peephole
