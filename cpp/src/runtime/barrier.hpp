#pragma once

#include <cstdint>

#include "runtime/waiting.hpp"

namespace peephole {

/// Where threads wait for each other, without a system call while all are on time.
class Barrier {
 public:
  /// For so many members. Not while one waits.
  void set_members(int members) noexcept {
    members_ = members;
    missing_.store(members, std::memory_order_relaxed);
    lost_.store(0, std::memory_order_relaxed);
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
    const std::chrono::nanoseconds slept = waiting_.until(passed);
    if (slept.count() > 0) lost_.fetch_add(slept.count(), std::memory_order_relaxed);
  }

  /// How long members have had to wait for late ones since set_members(), on average of those that
  /// waited. Short waits do not count.
  std::chrono::nanoseconds lost() const noexcept {
    const std::int64_t sum = lost_.load(std::memory_order_relaxed);
    return std::chrono::nanoseconds{members_ > 1 ? sum / (members_ - 1) : 0};
  }

 private:
  int members_ = 1;
  alignas(64) std::atomic<int> missing_{1};
  alignas(64) std::atomic<unsigned> round_{0};
  alignas(64) std::atomic<std::int64_t> lost_{0};
  Waiting waiting_;
};

}  // namespace peephole
