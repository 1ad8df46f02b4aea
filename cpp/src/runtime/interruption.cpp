#include "runtime/interruption.hpp"

namespace peephole {
namespace {

constexpr std::chrono::milliseconds kInterval{100};

/// Its address tells threads apart.
thread_local ScopedInterrupt* innermost = nullptr;

}  // namespace

ScopedInterrupt::ScopedInterrupt(Interrupt* interrupt) noexcept
    : interrupt_(interrupt),
      previous_(innermost),
      next_(std::chrono::steady_clock::now() + kInterval) {
  innermost = this;
}

ScopedInterrupt::~ScopedInterrupt() { innermost = previous_; }

Interruption::Interruption() noexcept
    : scope_(innermost != nullptr && innermost->interrupt_ != nullptr ? innermost : nullptr),
      caller_(&innermost) {}

bool Interruption::ask() noexcept {
  if (scope_->stopped()) return true;
  if (&innermost != caller_) return false;
  const auto now = std::chrono::steady_clock::now();
  if (now < scope_->next_) return false;
  scope_->next_ = now + kInterval;
  const bool stop = scope_->interrupt_->requested();
  if (stop) scope_->stopped_.store(true, std::memory_order_relaxed);
  return stop;
}

}  // namespace peephole
