#include "runtime/threads.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "runtime/cpus.hpp"
#include "runtime/workers.hpp"

namespace peephole {
namespace {

/// Throws Error for what is no number of threads.
template <class Error>
int checked_threads(const char* argument, const std::string& text) {
  char* end = nullptr;
  const long threads = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || threads < 1 || threads > kMostThreads) {
    throw Error(std::string(argument) + ": expected an integer in 1.." +
                std::to_string(kMostThreads) + ", got " + text);
  }
  return static_cast<int>(threads);
}

/// The first number of OMP_NUM_THREADS, which may list one for each level of nested loops. It is
/// another library's variable: what is no number is ignored.
int capped_by_openmp(int cpus) {
  const char* const text = std::getenv("OMP_NUM_THREADS");
  const long threads = text ? std::strtol(text, nullptr, 10) : 0;
  return threads >= 1 && threads < cpus ? static_cast<int>(threads) : cpus;
}

int threads_at_start() {
  if (const char* text = std::getenv("PEEPHOLE_NUM_THREADS")) {
    return checked_threads<EnvironmentError>("PEEPHOLE_NUM_THREADS", text);
  }
  return std::min(capped_by_openmp(available_cpus()), kMostThreads);
}

std::atomic<int> chosen_threads{0};  // 0: not chosen yet

}  // namespace

int num_threads() {
  int threads = chosen_threads;
  if (threads > 0) return threads;
  const int first = threads_at_start();
  return chosen_threads.compare_exchange_strong(threads, first) ? first : threads;
}

void set_num_threads(int threads) {
  chosen_threads = checked_threads<std::invalid_argument>("num_threads", std::to_string(threads));
}

Team::Team(int wanted) noexcept {
#ifdef PEEPHOLE_SINGLE_THREADED
  wanted = 1;  // on the calling thread, and not on an executor's
#endif
  if (wanted <= 1) return;
  executor_ = executor();
  size_ = executor_ ? std::clamp(executor_->concurrency(), 1, wanted) : hire_workers(wanted);
}

Team::~Team() {
  if (size_ > 1 && !executor_) release_workers();
}

void Team::run(Executor::Task task, void* context) noexcept {
  if (size_ == 1) {
    task(context, 0);
  } else if (executor_) {
    executor_->run(size_, task, context);
  } else {
    run_on_workers(size_, task, context);
  }
}

}  // namespace peephole
