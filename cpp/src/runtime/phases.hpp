#pragma once

#include <cstdint>

#include "peephole/types.hpp"
#include "runtime/waiting.hpp"

namespace peephole {

/// Work in phases that follow each other, each a number of shares that may be computed at the same
/// time. Members take the shares one by one. Nobody waits for a member that has not taken a share:
/// any number of members that come, at any time, compute all of it, and one alone does so too.
///
/// Work has
///     int open(int phase, int present) noexcept      the number of shares of the next phase, at
///                                                    most kMostShares; 0: there are no more
///     void compute(int share, int slot) noexcept     one share of the phase that is open
///     void wait() noexcept                           now and then while the member has no share
/// open() is called by one member when all before is complete, and what it writes is seen by all.
/// `present` members, itself included, take a share at once if there is one. `slot` is a number
/// below the slots that belongs to the calling member alone.
class Phases {
 public:
  static constexpr int kMostShares = (1 << 16) - 1;

  explicit Phases(int slots) noexcept : slots_(slots) {}

  /// Takes part until the work is complete. Returns at once if all slots are taken.
  template <class Work>
  void take_part(Work& work) noexcept {
    const int slot = taken_slots_.fetch_add(1, std::memory_order_acq_rel);
    if (slot >= slots_) return;
    if (slot == 0) open(work, 0);
    for (;;) {
      const int share = take(work);
      if (share < 0) return;
      work.compute(share, slot);
      const State state = unpack(state_.load(std::memory_order_relaxed));
      // The phase cannot end before this share is counted.
      if (complete_.fetch_add(1, std::memory_order_acq_rel) + 1 != state.shares) continue;
      complete_.store(0, std::memory_order_relaxed);
      open(work, state.phase + 1);
    }
  }

  /// Members that take a share as soon as there is one.
  int present() const noexcept {
    const int arrived = taken_slots_.load(std::memory_order_acquire);
    return (arrived < slots_ ? arrived : slots_) - waiting_.asleep();
  }

  /// Makes the members that sleep look for a share again, so that they are present for a while.
  void wake() noexcept { waiting_.notify(); }

 private:
  struct State {
    int phase, shares, taken;
  };
  static constexpr std::uint64_t kEnded = ~std::uint64_t{0};

  static State unpack(std::uint64_t state) noexcept {
    return {static_cast<int>(state >> 32), static_cast<int>(state >> 16 & 0xffff),
            static_cast<int>(state & 0xffff)};
  }
  static bool has_share(std::uint64_t state) noexcept {
    return state != kEnded && (state & 0xffff) < (state >> 16 & 0xffff);
  }

  template <class Work>
  void open(Work& work, int phase) noexcept {
    const int shares = work.open(phase, present());
    const auto opened = static_cast<std::uint64_t>(phase) << 32 | static_cast<std::uint64_t>(shares)
                                                                      << 16;
    state_.store(shares == 0 ? kEnded : opened, std::memory_order_release);
    if (shares != 1) waiting_.notify();
  }

  /// A share, or -1: there are no more.
  template <class Work>
  int take(Work& work) noexcept {
    for (;;) {
      std::uint64_t state = state_.load(std::memory_order_acquire);
      while (has_share(state)) {
        if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel,
                                         std::memory_order_acquire)) {
          return unpack(state).taken;
        }
      }
      if (state == kEnded) return -1;
      constexpr std::chrono::milliseconds kBetweenWaits{50};
      const auto ready = [&] {
        const std::uint64_t now = state_.load(std::memory_order_acquire);
        return now == kEnded || has_share(now);
      };
      waiting_.until_or(ready, kBetweenWaits);
      if (!ready()) work.wait();
    }
  }

  const int slots_;
  std::atomic<int> taken_slots_{0};
  alignas(64) std::atomic<std::uint64_t> state_{0};
  alignas(64) std::atomic<int> complete_{0};
  Waiting waiting_;
};

}  // namespace peephole
