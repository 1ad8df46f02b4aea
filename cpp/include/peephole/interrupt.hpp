#pragma once

#include <atomic>
#include <chrono>
#include <stdexcept>

#include "peephole/export.h"

/// Long calls that can be stopped, for example by Ctrl-C or a deadline.
///
///     struct Deadline : peephole::Interrupt {
///       Clock::time_point end;
///       bool requested() noexcept override { return Clock::now() > end; }
///     };
///
///     Deadline deadline{...};
///     const peephole::ScopedInterrupt scope(&deadline);
///     lstm.infer(call, outputs);  // may throw peephole::Interrupted
namespace peephole {

class PEEPHOLE_API Interrupt {
 public:
  virtual ~Interrupt() = default;

  /// Whether the call should stop. It is asked about every tenth of a second, on the thread that
  /// made the call, and not at all in shorter calls.
  virtual bool requested() noexcept = 0;
};

/// Thrown by infer, forward and backward when they have been stopped. What they were to write has
/// undefined values, a tape among it. All else is as before.
struct PEEPHOLE_API Interrupted : std::runtime_error {
  Interrupted() : std::runtime_error("interrupted") {}
};

/// Makes the calls of the current thread ask an Interrupt until it is destroyed. Scopes may be
/// nested; the innermost is asked. Results have the same bits with and without it.
class PEEPHOLE_API ScopedInterrupt {
 public:
  explicit ScopedInterrupt(Interrupt* interrupt) noexcept;
  ~ScopedInterrupt();
  ScopedInterrupt(const ScopedInterrupt&) = delete;
  ScopedInterrupt& operator=(const ScopedInterrupt&) = delete;

  /// Whether a call has been stopped. Stream::process, which does not throw, returns early then;
  /// other calls throw at once.
  bool stopped() const noexcept { return stopped_.load(std::memory_order_relaxed); }

 private:
  friend class Interruption;

  Interrupt* const interrupt_;
  ScopedInterrupt* const previous_;
  std::chrono::steady_clock::time_point next_;  // when to ask
  std::atomic<bool> stopped_{false};
};

}  // namespace peephole
