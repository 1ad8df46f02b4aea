#include <atomic>

#include "base/fork_gate.hpp"
#include "peephole/runtime.hpp"

#ifdef PEEPHOLE_FORKS
#include <pthread.h>
#endif

namespace peephole {
namespace {

std::atomic<Executor*> of_process{nullptr};

struct OfThread {
  Executor* executor;
  bool is_set;
};
thread_local OfThread of_thread{nullptr, false};
std::atomic<int> forks{0};  // that led from the first process to this one

#ifdef PEEPHOLE_FORKS
/// A forked child has none of an executor's threads.
[[gnu::constructor]] void forget_executor_in_forks() {
  pthread_atfork(nullptr, nullptr, [] {
    ++forks;
    of_process = nullptr;
    of_thread = {nullptr, false};
  });
}
#endif

}  // namespace

void set_executor(Executor* executor) noexcept { of_process = executor; }

Executor* executor() noexcept { return of_thread.is_set ? of_thread.executor : of_process.load(); }

ScopedExecutor::ScopedExecutor(Executor* executor) noexcept
    : previous_(of_thread.executor), previous_is_set_(of_thread.is_set), forks_(forks) {
  of_thread = {executor, true};
}

ScopedExecutor::~ScopedExecutor() {
  if (forks == forks_) of_thread = {previous_, previous_is_set_};
}

}  // namespace peephole
