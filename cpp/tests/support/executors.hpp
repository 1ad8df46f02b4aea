#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "peephole/runtime.hpp"

/// Executors of a host program, good and slow ones.
namespace peephole::test {

/// One member after the other on the calling thread, the last one first.
class OneByOne final : public Executor {
 public:
  int concurrency() noexcept override { return 4; }
  void run(int members, Task task, void* context) noexcept override {
    for (int member = members - 1; member >= 0; --member) task(context, member);
  }
};

/// A new thread for each member; those with an odd number start late.
class LateThreads final : public Executor {
 public:
  int concurrency() noexcept override { return 3; }
  void run(int members, Task task, void* context) noexcept override {
    std::vector<std::thread> threads;
    for (int member = 0; member < members; ++member) {
      threads.emplace_back([=] {
        if (member % 2 == 1) std::this_thread::sleep_for(std::chrono::microseconds(300));
        task(context, member);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
};

/// Two threads for any number of members.
class FewThreads final : public Executor {
 public:
  int concurrency() noexcept override { return 6; }
  void run(int members, Task task, void* context) noexcept override {
    std::atomic<int> taken{0};
    const auto work = [&] {
      for (int member = taken++; member < members; member = taken++) task(context, member);
    };
    std::thread other(work);
    work();
    other.join();
  }
};

inline const std::vector<Executor*>& all_executors() {
  static OneByOne one_by_one;
  static LateThreads late_threads;
  static FewThreads few_threads;
  static const std::vector<Executor*> all = {&one_by_one, &late_threads, &few_threads};
  return all;
}

}  // namespace peephole::test
