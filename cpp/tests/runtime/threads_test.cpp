// Teams, executors and work in phases.

#include "runtime/threads.hpp"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "runtime/barrier.hpp"
#include "runtime/phases.hpp"
#include "runtime/split_limit.hpp"
#include "support/check.hpp"
#include "support/executors.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

/// Phases of 1, 2, 3, ... shares; counts them and looks for any that begins before the phase before
/// has ended.
class CountingWork {
 public:
  CountingWork(int slots, int phases)
      : phases_(slots), count_(phases), slots_(slots), done_(static_cast<std::size_t>(phases)) {}

  Phases& phases() noexcept { return phases_; }
  int open(int phase, int present) noexcept {
    wrong_ += present < 1 || present > slots_;
    wrong_ += phase > 0 && done_[static_cast<std::size_t>(phase - 1)] != phase;
    phase_ = phase;
    return phase == count_ ? 0 : phase + 1;
  }
  void compute(int share, int slot) noexcept {
    wrong_ += share < 0 || share > phase_ || slot < 0 || slot >= slots_;
    ++done_[static_cast<std::size_t>(phase_)];
  }
  void wait() noexcept {}
  /// Whether each share was computed once, and in time.
  bool complete() const {
    for (int phase = 0; phase < count_; ++phase) {
      if (done_[static_cast<std::size_t>(phase)] != phase + 1) return false;
    }
    return wrong_ == 0;
  }

 private:
  Phases phases_;
  const int count_, slots_;
  int phase_ = -1;
  std::vector<std::atomic<int>> done_;
  std::atomic<int> wrong_{0};
};

void phases() {
  for (int members : {1, 2, 3, 8}) {
    for (int slots : {1, 2, 8}) {
      for (int repeat = 0; repeat < 50; ++repeat) {
        CountingWork work(slots, 20);
        Team team(members);
        team.run([&](int) noexcept { work.phases().take_part(work); });
        CHECK(work.complete());
      }
    }
  }
}

/// Its first share takes long.
class UnevenWork {
 public:
  int open(int phase, int) noexcept { return phase == 0 ? 2 : 0; }
  void compute(int share, int) noexcept {
    if (share == 0) std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  void wait() noexcept { ++waits; }

  std::atomic<int> waits{0};
};

/// A member without a share is called now and then: it may have to stop the work.
void waiting_members() {
  Team team(2);
  if (team.size() < 2) return;
  for (int attempt = 0; attempt < 20; ++attempt) {  // the other one may come too late
    UnevenWork work;
    Phases phases(2);
    team.run([&](int) noexcept { phases.take_part(work); });
    if (work.waits > 0) return;
  }
  CHECK(false);
}

void teams() {
  for (int wanted : {1, 2, 5}) {
    Team team(wanted);
    CHECK(team.size() >= 1 && team.size() <= wanted);
    Team other(wanted);
    CHECK(other.size() == 1);
    std::vector<std::atomic<int>> calls(5);
    // Without a wait some workers may be left out.
    team.run([&](int member) noexcept { ++calls[static_cast<std::size_t>(member)]; });
    CHECK(calls[0] == 1);
    for (int member = 1; member < 5; ++member) {
      CHECK(calls[static_cast<std::size_t>(member)] <= (member < team.size() ? 1 : 0));
    }
  }
  Team team(2);
  CHECK(!shutdown_threads());
}

/// A worker that is asleep does not delay a call that ends without it.
void threads_end_and_start() {
  CHECK(shutdown_threads());
  CHECK(shutdown_threads());
  std::atomic<int> here{0};
  Team team(3);
  const int size = team.size();
  team.run([&](int) noexcept {
    ++here;
    while (here < size) std::this_thread::yield();
  });
  CHECK(here == size);
}

void executors() {
  for (Executor* executor : all_executors()) {
    const ScopedExecutor scope(executor);
    CHECK(peephole::executor() == executor);
    for (int wanted : {1, 2, 5}) {
      CountingWork work(wanted, 12);
      Team team(wanted);
      CHECK(team.size() == std::min(wanted, executor->concurrency()));
      team.run([&](int) noexcept { work.phases().take_part(work); });
      CHECK(work.complete());
    }
    {
      const ScopedExecutor own(nullptr);
      CHECK(peephole::executor() == nullptr);
    }
    CHECK(peephole::executor() == executor);
    std::thread([&] { CHECK(peephole::executor() == nullptr); }).join();
  }
  CHECK(peephole::executor() == nullptr);
  set_executor(all_executors().front());
  std::thread([&] { CHECK(peephole::executor() == all_executors().front()); }).join();
  set_executor(nullptr);
  CHECK(peephole::executor() == nullptr);
}

void barriers() {
  Barrier barrier;
  barrier.set_members(2);
  std::thread other([&] {
    for (int round = 0; round < 1000; ++round) barrier.wait();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    barrier.wait();
  });
  for (int round = 0; round < 1001; ++round) barrier.wait();
  other.join();
  CHECK(barrier.lost() > std::chrono::milliseconds(3));
  barrier.set_members(1);
  barrier.wait();
  CHECK(barrier.lost().count() == 0);
}

void late_splits() {
  using std::chrono::milliseconds;
  CHECK(split_limit(8) == 8);
  report_split(8, milliseconds(10), milliseconds(3));
  report_split(8, milliseconds(10), milliseconds(3));
  CHECK(split_limit(8) == 8);  // a third of the time is less than what is gained
  report_split(8, milliseconds(3), milliseconds(3));
  CHECK(split_limit(8) == 8);  // one time slice
  report_split(8, milliseconds(10), milliseconds(9));
  CHECK(split_limit(8) == 4);
  CHECK(split_limit(2) == 2);
  report_split(4, milliseconds(10), milliseconds(9));
  report_split(2, milliseconds(10), milliseconds(9));
  CHECK(split_limit(8) == 1);
  std::this_thread::sleep_for(milliseconds(50));
  CHECK(split_limit(8) == 8);  // tried again
  give_up_late_splits(false);
  report_split(8, milliseconds(10), milliseconds(9));
  CHECK(split_limit(8) == 8);
  give_up_late_splits(true);
}

}  // namespace

int main() {
  phases();
  waiting_members();
  teams();
  threads_end_and_start();
  executors();
  barriers();
  late_splits();
  return check::report();
}
