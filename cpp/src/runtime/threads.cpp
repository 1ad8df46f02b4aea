#include "runtime/threads.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif
#ifndef _WIN32
#include <pthread.h>
#include <signal.h>
#endif

#include "peephole/runtime.hpp"

namespace peephole {
namespace {

/// How often a worker looks for its next task before it sleeps: some 20 µs, longer than the gaps
/// between the layers of one call, shorter than anyone's patience with a busy idle core.
constexpr int kSpinsBeforeSleep = 2000;
/// How often a barrier looks before it offers its core to others, who may be the ones it waits for.
constexpr int kSpinsBeforeYield = 2000;

struct Job {
  void (*call)(void* context, int member) noexcept;
  void* context;
  std::atomic<int> unfinished;
};

/// Starts threads that no signal is delivered to: they are for the program's own.
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
  explicit Worker(int member) : member_(member) {
    start_quiet_thread([this] { work(); }).detach();
  }

  void post(Job& job) noexcept {
    job_.store(&job);
    if (asleep_.load()) {
      const std::lock_guard<std::mutex> lock(mutex_);
      wake_.notify_one();
    }
  }

 private:
  Job& next_job() noexcept {
    for (int spin = 0; spin < kSpinsBeforeSleep; ++spin) {
      if (Job* job = job_.load(std::memory_order_acquire)) return *job;
      spin_pause();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    // Sequentially consistent with post(): either it sees us asleep, or we see its job.
    asleep_.store(true);
    wake_.wait(lock, [this] { return job_.load() != nullptr; });
    asleep_.store(false);
    return *job_.load();
  }

  [[noreturn]] void work() noexcept {
    for (;;) {
      Job& job = next_job();
      job.call(job.context, member_);
      job_.store(nullptr);
      job.unfinished.fetch_sub(1, std::memory_order_release);  // the job may be gone from here on
    }
  }

  const int member_;
  std::atomic<Job*> job_{nullptr};
  std::atomic<bool> asleep_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};

/// The process's workers. Never destroyed: at exit they sleep, and nothing waits for them.
struct Crew {
  std::atomic<bool> taken{false};  // by a team
  std::vector<std::unique_ptr<Worker>> workers;

  /// As many workers as can be had, up to `wanted`.
  int hire(int wanted) noexcept {
    try {
      while (static_cast<int>(workers.size()) < wanted) {
        workers.push_back(std::make_unique<Worker>(static_cast<int>(workers.size()) + 1));
      }
    } catch (const std::exception&) {
      // No more threads to be had: fewer give the same results.
    }
    return std::min(wanted, static_cast<int>(workers.size()));
  }
};

std::atomic<Crew*> the_crew{nullptr};

Crew& crew() {
  static const bool once = [] {
    the_crew = new Crew;
#ifndef _WIN32
    // A forked child has none of the threads; the parent's memory of them is left alone.
    pthread_atfork(nullptr, nullptr, [] { the_crew = new Crew; });
#endif
    return true;
  }();
  static_cast<void>(once);
  return *the_crew.load();
}

int available_cores() noexcept {
#ifdef __linux__
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) == 0) return std::max(1, CPU_COUNT(&cores));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int checked_threads(const char* argument, const std::string& text) {
  char* end = nullptr;
  const long threads = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || threads < 1 || threads > kMostThreads) {
    throw std::invalid_argument(std::string(argument) + ": expected an integer in 1.." +
                                std::to_string(kMostThreads) + ", got " + text);
  }
  return static_cast<int>(threads);
}

std::atomic<int>& chosen_threads() {
  static std::atomic<int> threads = [] {
    const char* text = std::getenv("PEEPHOLE_NUM_THREADS");
    return std::min(text ? checked_threads("PEEPHOLE_NUM_THREADS", text) : available_cores(),
                    kMostThreads);
  }();
  return threads;
}

}  // namespace

int num_threads() { return chosen_threads(); }

void set_num_threads(int threads) {
  chosen_threads() = checked_threads("num_threads", std::to_string(threads));
}

Team::Team(int wanted) noexcept {
  if (wanted <= 1) return;
  Crew& crew = peephole::crew();
  if (crew.taken.exchange(true)) return;
  size_ = 1 + crew.hire(wanted - 1);
  if (size_ == 1) crew.taken = false;
}

Team::~Team() {
  if (size_ > 1) crew().taken = false;
}

void Team::run(Call call, void* context) noexcept {
  Job job{call, context, {size_ - 1}};
  for (int member = 1; member < size_; ++member) {
    crew().workers[static_cast<std::size_t>(member - 1)]->post(job);
  }
  call(context, 0);
  for (int spin = 0; job.unfinished.load(std::memory_order_acquire) > 0; ++spin) {
    spin < kSpinsBeforeYield ? spin_pause() : std::this_thread::yield();
  }
}

void Barrier::wait() noexcept {
  const unsigned round = round_.load(std::memory_order_relaxed);
  if (missing_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    missing_.store(members_, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    return;
  }
  for (int spin = 0; round_.load(std::memory_order_acquire) == round; ++spin) {
    spin < kSpinsBeforeYield ? spin_pause() : std::this_thread::yield();
  }
}

}  // namespace peephole
