#include "runtime/workers.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif
#ifndef _WIN32
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#endif

#include "runtime/waiting.hpp"

namespace peephole {
namespace {

/// A thread that has not begun within this time waits for a CPU. Where all CPUs are busy, the
/// system wakes it on that of the calling thread, again and again, as it never gets to do anything
/// there.
constexpr std::chrono::microseconds kWakingTime{500};

struct Job {
  Executor::Task task;
  void* context;
  std::atomic<int> unfinished;
};

/// Starts threads that no signal is delivered to: signals are for the program's own.
template <class Body>
std::thread start_quiet_thread(Body body) {
#ifndef _WIN32
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  struct Restore {
    const sigset_t& mask;
    ~Restore() { pthread_sigmask(SIG_SETMASK, &mask, nullptr); }
  } restore{before};
#endif
  return std::thread(std::move(body));
}

/// A thread that waits for jobs, one at a time.
class Worker {
 public:
  Worker(int member, Waiting& finished) : member_(member), finished_(finished) {
    thread_ = start_quiet_thread([this] { work(); });
  }
  /// Waits for the thread to end.
  ~Worker() {
    stopping_.store(true, std::memory_order_release);
    waiting_.notify();
    thread_.join();
  }

  void post(Job& job) noexcept {
    job_.store(&job, std::memory_order_release);
    waiting_.notify();
  }
  /// Puts the thread on another CPU than the calling one, if there is another for it.
  void move_away() noexcept {
#ifdef __linux__
    cpu_set_t all;
    const int here = sched_getcpu();
    if (pthread_getaffinity_np(thread_.native_handle(), sizeof all, &all) != 0) return;
    if (here < 0 || here >= CPU_SETSIZE || !CPU_ISSET(here, &all) || CPU_COUNT(&all) == 1) return;
    cpu_set_t others = all;
    CPU_CLR(here, &others);
    pthread_setaffinity_np(thread_.native_handle(), sizeof others, &others);
    pthread_setaffinity_np(thread_.native_handle(), sizeof all, &all);
#endif
  }

  /// Takes a job back that the thread has not begun; false if it has.
  bool withdraw(Job& job) noexcept {
    Job* expected = &job;
    return job_.compare_exchange_strong(expected, nullptr, std::memory_order_acq_rel);
  }

 private:
  void work() noexcept {
    for (;;) {
      waiting_.until([this] {
        return job_.load(std::memory_order_acquire) != nullptr ||
               stopping_.load(std::memory_order_acquire);
      });
      Job* const job = job_.exchange(nullptr, std::memory_order_acq_rel);
      if (job == nullptr) {
        if (stopping_.load(std::memory_order_acquire)) return;
        continue;
      }
      job->task(job->context, member_);
      // The job may be gone from here on.
      if (job->unfinished.fetch_sub(1, std::memory_order_acq_rel) == 1) finished_.notify();
    }
  }

  const int member_;
  Waiting& finished_;
  std::atomic<Job*> job_{nullptr};
  std::atomic<bool> stopping_{false};
  Waiting waiting_;
  std::thread thread_;
};

/// The process's workers. Never destroyed: at the end of the process a thread may still use it.
struct Crew {
  std::atomic<bool> reserved{false};
  Waiting finished;  // the calling thread waits here for the workers
  std::vector<std::unique_ptr<Worker>> workers;
#ifndef _WIN32
  const pid_t process = getpid();
#endif
};

std::atomic<Crew*> the_crew{nullptr};

/// Null if there is no memory for one.
Crew* crew() noexcept {
  Crew* crew = the_crew.load(std::memory_order_acquire);
  if (crew != nullptr) return crew;
  Crew* const made = new (std::nothrow) Crew;
  if (the_crew.compare_exchange_strong(crew, made, std::memory_order_acq_rel)) return made;
  delete made;
  return crew;
}

#ifndef _WIN32
/// A forked child has none of the threads. The parent's memory of them is left alone, as a thread
/// may have been changing it.
[[gnu::constructor]] void forget_crew_in_forks() {
  pthread_atfork(nullptr, nullptr, [] { the_crew = nullptr; });
}
#endif

}  // namespace

int hire_workers(int wanted) noexcept {
  Crew* const crew = peephole::crew();
  if (crew == nullptr || crew->reserved.exchange(true, std::memory_order_acquire)) return 1;
  auto& workers = crew->workers;
  try {
    while (static_cast<int>(workers.size()) < wanted - 1) {
      const int member = static_cast<int>(workers.size()) + 1;
      workers.push_back(std::make_unique<Worker>(member, crew->finished));
    }
  } catch (const std::exception&) {
    // The system has no more threads: fewer give the same results.
  }
  const int members = std::min(wanted, static_cast<int>(workers.size()) + 1);
  if (members == 1) release_workers();
  return members;
}

void release_workers() noexcept { crew()->reserved.store(false, std::memory_order_release); }

void run_on_workers(int members, Executor::Task task, void* context) noexcept {
  Crew& crew = *peephole::crew();
  Job job{task, context, {members - 1}};
  const auto worker = [&](int member) -> Worker& {
    return *crew.workers[static_cast<std::size_t>(member - 1)];
  };
  for (int member = 1; member < members; ++member) worker(member).post(job);
  const auto start = std::chrono::steady_clock::now();
  task(context, 0);
  const bool had_time = std::chrono::steady_clock::now() - start > kWakingTime;
  for (int member = 1; member < members; ++member) {
    if (!worker(member).withdraw(job)) continue;
    job.unfinished.fetch_sub(1, std::memory_order_relaxed);
    if (had_time) worker(member).move_away();
  }
  crew.finished.until([&] { return job.unfinished.load(std::memory_order_acquire) == 0; });
}

bool shutdown_threads() noexcept {
  Crew* const crew = the_crew.load(std::memory_order_acquire);
  if (crew == nullptr) return true;
#ifndef _WIN32
  if (crew->process != getpid()) return true;  // forked without pthread_atfork's handlers
#endif
  if (crew->reserved.exchange(true, std::memory_order_acquire)) return false;
  crew->workers.clear();
  crew->reserved.store(false, std::memory_order_release);
  return true;
}

#if defined(__GNUC__) && !defined(_WIN32)
namespace {

/// When a shared library is unloaded, its code must not be in use. At the end of the process a call
/// may still run on another thread; then the threads are left to the system.
[[gnu::destructor]] void shut_down_at_unload() { shutdown_threads(); }

}  // namespace
#endif

}  // namespace peephole
