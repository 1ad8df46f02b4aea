#pragma once

#include "runtime/waiting.hpp"

namespace peephole {

/// Where threads wait for each other, without a system call while all are on time.
class Barrier {
 public:
  /// For so many members. Not while one waits.
  void set_members(int members) noexcept {
    members_ = members;
    missing_.store(members, std::memory_order_relaxed);
    late_.store(false, std::memory_order_relaxed);
  }

  void wait() noexcept {
    const unsigned round = round_.load(std::memory_order_relaxed);
    if (missing_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      missing_.store(members_, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      waiting_.notify();
      return;
    }
    const auto passed = [&] { return round_.load(std::memory_order_acquire) != round; };
    if (waiting_.until(passed)) late_.store(true, std::memory_order_relaxed);
  }

  /// Whether a member has had to sleep since set_members().
  bool late() const noexcept { return late_.load(std::memory_order_relaxed); }

 private:
  int members_ = 1;
  alignas(64) std::atomic<int> missing_{1};
  alignas(64) std::atomic<unsigned> round_{0};
  alignas(64) std::atomic<bool> late_{false};
  Waiting waiting_;
};

}  // namespace peephole
