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

  /// True once the call is to stop. Cheap enough for every few microseconds.
  bool poll() noexcept { return scope_ != nullptr && ask(); }

  /// Throws Interrupted if the call has been stopped.
  void check() const {
    if (scope_ != nullptr && scope_->stopped()) throw Interrupted();
  }

 private:
  bool ask() noexcept;

  ScopedInterrupt* const scope_;
  const void* const caller_;
};

}  // namespace peephole
