#include "runtime/split_limit.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace peephole {
namespace {

// A split is tried again after as long as the threads of OpenMP libraries spin between two loops,
// and at last every third of a second: a try on a busy core takes one time slice.
constexpr std::int64_t kFirstPause = 5'000'000, kLongestPause = 320'000'000;  // nanoseconds

std::atomic<bool> active{true};
std::atomic<int> limit{0};
std::atomic<std::int64_t> until{0};
std::atomic<std::int64_t> last_pause{0};

std::int64_t now() noexcept {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

int split_limit(int wanted) noexcept {
  if (limit.load(std::memory_order_relaxed) == 0) return wanted;
  if (now() >= until.load(std::memory_order_relaxed)) return wanted;
  return std::min(wanted, limit.load(std::memory_order_relaxed));
}

void split_was_late(int members) noexcept {
  if (!active) return;
  const std::int64_t time = now(), before = last_pause.load(std::memory_order_relaxed);
  const bool again = before != 0 && time < until.load(std::memory_order_relaxed) + before;
  const std::int64_t pause = again ? std::min(2 * before, kLongestPause) : kFirstPause;
  limit.store(std::max(1, members / 2), std::memory_order_relaxed);
  last_pause.store(pause, std::memory_order_relaxed);
  until.store(time + pause, std::memory_order_relaxed);
}

void give_up_late_splits(bool on) noexcept {
  active = on;
  limit = 0;
}

}  // namespace peephole
