#pragma once

#include <atomic>
#include <chrono>

#ifndef PEEPHOLE_SINGLE_THREADED
#include <condition_variable>
#include <mutex>
#endif

namespace peephole {

/// A pause between two looks at a value that another thread is about to change.
inline void spin_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

/// How long a thread spins before it sleeps: longer than the gaps between the layers of a call and
/// than a barrier whose members are on time; short next to a time slice of the system. A waiting
/// thread that sleeps leaves its core to the thread it waits for.
inline constexpr std::chrono::microseconds kSpinTime{50};

#ifdef PEEPHOLE_SINGLE_THREADED

/// There is no other thread to wait for: whatever could be waited for is ready.
class Waiting {
 public:
  template <class Ready>
  std::chrono::nanoseconds until(Ready&&) noexcept {
    return std::chrono::nanoseconds{0};
  }
  template <class Ready>
  void until_or(Ready&&, std::chrono::milliseconds) noexcept {}
  void notify() noexcept {}
  int asleep() const noexcept { return 0; }
};

#else

/// Where threads wait until another one has changed an atomic variable.
class Waiting {
 public:
  /// Returns when ready(), which reads that variable, is true. Returns how long that took if the
  /// thread had to sleep, otherwise 0.
  template <class Ready>
  std::chrono::nanoseconds until(Ready&& ready) noexcept {
    using Clock = std::chrono::steady_clock;
    constexpr int kSpinsPerLook = 64;  // looking at the clock takes longer than a pause
    const Clock::time_point start = Clock::now();
    do {
      for (int spin = 0; spin < kSpinsPerLook; ++spin) {
        if (ready()) return std::chrono::nanoseconds{0};
        spin_pause();
      }
    } while (Clock::now() - start < kSpinTime);
    std::unique_lock<std::mutex> lock(mutex_);
    asleep_.fetch_add(1, std::memory_order_acq_rel);
    wake_.wait(lock, ready);
    asleep_.fetch_sub(1, std::memory_order_acq_rel);
    return Clock::now() - start;
  }

  /// The same, or when so much time has passed.
  template <class Ready>
  void until_or(Ready&& ready, std::chrono::milliseconds time) noexcept {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point start = Clock::now();
    while (Clock::now() - start < kSpinTime) {
      if (ready()) return;
      spin_pause();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    asleep_.fetch_add(1, std::memory_order_acq_rel);
    wake_.wait_for(lock, time, ready);
    asleep_.fetch_sub(1, std::memory_order_acq_rel);
  }

  /// To be called after the change. Both sides modify `asleep_` in between, in some order: either
  /// this thread sees the other asleep, or the other sees the change.
  void notify() noexcept {
    if (asleep_.fetch_add(0, std::memory_order_acq_rel) == 0) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_all();
  }

  /// How many threads sleep.
  int asleep() const noexcept { return asleep_.load(std::memory_order_acquire); }

 private:
  std::atomic<int> asleep_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
};

#endif

}  // namespace peephole
