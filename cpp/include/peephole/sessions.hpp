#pragma once

#include <cstddef>
#include <memory>

#include "peephole/stream.hpp"

namespace peephole {

/// Names a session of a pool. Never negative; an id that was closed names no session again while
/// the pool lives. Of 64 bits.
using SessionId = long long;

/// What a call of a pool says. Whatever is not ok has changed nothing, except `interrupted`.
enum class SessionStatus {
  ok,
  full,         // no free session
  unknown,      // an id that is not open: never given out, or closed
  repeated,     // an id that stands in the call twice
  bad_length,   // a length that is not in 0..steps
  interrupted,  // by a ScopedInterrupt: some sessions of the call have advanced, y is undefined
  foreign,      // a snapshot of another model, another number type, or more sessions than fit
  corrupt       // no snapshot, or a damaged one
};

/// "ok", "full", ...
PEEPHOLE_API const char* to_string(SessionStatus status) noexcept;

/// Many sessions on one model: each has a state of its own, and a call advances any of them
/// together. They share one copy of the weights, and a call over n sessions runs as fast as a batch
/// of n.
///
///     peephole::Sessions<float> pool(network, 1000);
///     peephole::SessionId id = 0;
///     if (pool.open(id) != peephole::SessionStatus::ok) ...  // full
///     if (pool.step(&id, 1, x, y) != peephole::SessionStatus::ok) ...
///
/// The results of each session have the bits of a Stream of its own, for any set of sessions in a
/// call, and a NaN stays in its session. A session keeps a NaN until it is reset.
///
/// A pool is made once, where allocation and exceptions are welcome. After that no function of it
/// allocates, locks, throws or calls the system, so that they may run on a real-time thread. (Only
/// the readable path, isa() "reference", allocates.) Copying allocates; the destructor and move
/// assignment free memory. Denormal numbers count as zeros inside a call; the caller's
/// floating-point mode is then restored.
///
/// Each session takes the memory of its state, and 48 bytes; the pool has workspaces of a fixed
/// size. Weights are shared with streams and other pools as Stream describes.
///
/// Thread safety: a pool belongs to one thread at a time. Different pools, of one model too, may
/// run at the same time. A call uses the caller's thread alone.
///
/// Member functions check ids and lengths; other arguments by assert() only.
template <class T>
class PEEPHOLE_API Sessions {
 public:
  /// The largest capacity.
  static constexpr Index kMostSessions = Index{1} << 24;

  /// y is h of the last layer: O = P_last.
  ///
  /// capacity  the most sessions that are open at a time, in 1..kMostSessions
  ///
  /// Throws std::invalid_argument for another capacity, and for the models that Stream refuses.
  Sessions(const LSTM<T>& lstm, Index capacity);
  /// y is the head's output, of every step also for Readout::last.
  Sessions(const Network<T>& network, Index capacity);
  /// Of the model that a stream was made of; the stream itself is not changed.
  Sessions(const Stream<T>& stream, Index capacity);
  ~Sessions();
  /// A pool with the same ids, each in the same state.
  Sessions(const Sessions& other);
  Sessions(Sessions&&) noexcept;
  Sessions& operator=(Sessions&&) noexcept;

  void swap(Sessions& other) noexcept;

  Index capacity() const noexcept;                   // the most sessions
  Index size() const noexcept;                       // those that are open
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

  /// Opens a session, with a state of zeros or the model's learned initial state, and sets `id`.
  /// Or: full.
  [[nodiscard]] SessionStatus open(SessionId& id) noexcept;
  /// Ends a session. Or: unknown.
  [[nodiscard]] SessionStatus close(SessionId id) noexcept;
  /// Sets the state of a session to what it was when opened. Or: unknown.
  [[nodiscard]] SessionStatus reset(SessionId id) noexcept;
  bool contains(SessionId id) const noexcept;
  /// ids  (size(),), overwritten: those that are open, in no particular order
  void ids(SessionId* ids) const noexcept;

  /// Sets the state of a layer of a session: h (1, P) and c (1, H), read. Or: unknown.
  [[nodiscard]] SessionStatus set_state(SessionId id, Index layer,
                                        StateView<const T> state) noexcept;
  /// Copies the state of a layer of a session out: h (1, P) and c (1, H), overwritten. Or: unknown.
  [[nodiscard]] SessionStatus get_state(SessionId id, Index layer,
                                        StateView<T> state) const noexcept;

  /// One step of each of n sessions.
  ///
  /// ids  (n,), read: different ones, in any order
  /// x    (n, I), read
  /// y    (n, O), overwritten; may be x itself where O = I, and may not overlap it otherwise
  ///
  /// Or: unknown, repeated; position() tells which.
  [[nodiscard]] SessionStatus step(const SessionId* ids, Index n, const T* x, T* y) noexcept;

  /// Up to `steps` steps of each of n sessions.
  ///
  /// ids      (n,), read: different ones, in any order
  /// x        (n, steps, I), read up to each length
  /// y        (n, steps, O), overwritten, 0 beyond each length; as for step()
  /// lengths  (n,), read: the steps of each session, 0..steps; null: all
  ///
  /// Or: unknown, repeated, bad_length; position() tells which. Or: interrupted.
  [[nodiscard]] SessionStatus process(const SessionId* ids, Index n, const T* x, T* y, Index steps,
                                      const Index* lengths = nullptr) noexcept;

  /// The position, in the last call of step or process that was refused, of the id or length that
  /// was wrong.
  Index position() const noexcept;

  /// The bytes of snapshot().
  std::size_t snapshot_size() const noexcept;
  /// Copies all sessions, ids and states, to snapshot_size() bytes of memory, for restore().
  void snapshot(void* data) const noexcept;
  /// Replaces all sessions by those of a snapshot of this pool, or of another one of the same model
  /// with the same weights and no more capacity. Ids that were closed before the snapshot or since
  /// stay unknown, and are not given out again. Or: foreign, corrupt.
  [[nodiscard]] SessionStatus restore(const void* data, std::size_t size) noexcept;

 private:
  struct PEEPHOLE_HIDDEN Impl;
  std::unique_ptr<Impl> impl_;
};

template <class T>
void swap(Sessions<T>& a, Sessions<T>& b) noexcept {
  a.swap(b);
}

extern template class Sessions<float>;
extern template class Sessions<double>;

}  // namespace peephole
