#include "runtime/split_limit.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace peephole {
namespace {

// All times are in nanoseconds.

// Two members are up to twice as fast as one, so a split may lose up to half of its time. It is
// given up when it has lost so much more than this share of its time: one time slice alone is none
// of its fault.
constexpr double kAcceptedShare = 0.4;
constexpr std::int64_t kAcceptedLoss = 4'000'000;

// For how long it is given up: the first time as long as threads of OpenMP libraries spin between
// two loops.
constexpr std::int64_t kFirstPause = 5'000'000, kLongestPause = 160'000'000;

std::atomic<bool> active{true};
std::atomic<std::int64_t> loss{0};  // beyond the accepted share
std::atomic<int> limit{0};          // 0: none yet
std::atomic<std::int64_t> until{0};
std::atomic<std::int64_t> last_pause{0};

std::int64_t now() noexcept {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

void give_up(int members) noexcept {
  const std::int64_t time = now(), before = last_pause.load(std::memory_order_relaxed);
  const bool again = time < until.load(std::memory_order_relaxed) + 2 * before;
  const std::int64_t pause = again ? std::min(2 * before, kLongestPause) : kFirstPause;
  limit.store(std::max(1, members / 2), std::memory_order_relaxed);
  last_pause.store(pause, std::memory_order_relaxed);
  until.store(time + pause, std::memory_order_relaxed);
}

}  // namespace

int split_limit(int wanted) noexcept {
  const int limited = limit.load(std::memory_order_relaxed);
  if (limited == 0 || limited >= wanted) return wanted;
  return now() < until.load(std::memory_order_relaxed) ? limited : wanted;
}

void report_split(int members, std::chrono::nanoseconds time,
                  std::chrono::nanoseconds lost) noexcept {
  const std::int64_t before = loss.load(std::memory_order_relaxed);
  if (lost.count() == 0 && before == 0) return;
  const auto accepted =
      static_cast<std::int64_t>(kAcceptedShare * static_cast<double>(time.count()));
  std::int64_t after = std::max<std::int64_t>(0, before + lost.count() - accepted);
  if (after > kAcceptedLoss && active.load(std::memory_order_relaxed)) {
    give_up(members);
    after = kAcceptedLoss / 2;  // the next try has less to lose
  }
  loss.store(after, std::memory_order_relaxed);
}

void give_up_late_splits(bool on) noexcept {
  active = on;
  limit = 0;
  loss = 0;
}

}  // namespace peephole
