#pragma once

#include "peephole/interrupt.hpp"

namespace peephole {

/// Whether the call of this thread is to stop: the view of its innermost ScopedInterrupt that the
/// threads of the call share.
class Interruption {
 public:
  /// On the thread that made the call.
  Interruption() noexcept;

  /// Whether there is anything to ask. Work is cut into short pieces then, with poll() between.
  bool possible() const noexcept { return scope_ != nullptr; }

  /// True once the call is to stop. Cheap enough for every few microseconds. Other threads may see
  /// it later, so members that wait for each other must not leave by it, but by stopped() between
  /// two phases.
  bool poll() noexcept { return scope_ != nullptr && ask(); }

  /// Whether poll() was true, on any thread.
  bool stopped() const noexcept { return scope_ != nullptr && scope_->stopped(); }

  /// Throws Interrupted if the call has been stopped.
  void check() const {
    if (stopped()) throw Interrupted();
  }

 private:
  bool ask() noexcept;

  ScopedInterrupt* const scope_;
  const void* const caller_;
};

}  // namespace peephole
