#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>

#include "peephole/runtime.hpp"

#if defined(__linux__) && !defined(PEEPHOLE_SINGLE_THREADED)
#define PEEPHOLE_OPENMP
#endif

#ifdef PEEPHOLE_OPENMP
#include <dlfcn.h>
#include <link.h>
#include <unistd.h>
#endif

namespace peephole {
namespace {

#ifdef PEEPHOLE_OPENMP

/// The process that loaded this library. OpenMP libraries do not know that threads are gone in a
/// forked child, and would wait for them.
pid_t process_of_load = 0;
[[gnu::constructor]] void note_process() { process_of_load = getpid(); }

bool is_forked() noexcept { return getpid() != process_of_load; }

void check_not_forked() {
  if (!is_forked()) return;
  throw std::runtime_error(
      "executor \"openmp\": threads of OpenMP do not survive a fork of the process");
}

/// The libraries that have GCC's entry points, LLVM's and Intel's among them.
bool is_openmp(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  for (const char* prefix : {"libgomp", "libomp", "libiomp5"}) {
    if (name.compare(0, std::string(prefix).size(), prefix) == 0) return true;
  }
  return false;
}

/// The path of the OpenMP library that is loaded, PyTorch's before others; empty without one.
std::string loaded_openmp() {
  std::string found;
  const auto look = [](dl_phdr_info* info, std::size_t, void* data) {
    std::string& best = *static_cast<std::string*>(data);
    const std::string path = info->dlpi_name ? info->dlpi_name : "";
    if (!is_openmp(path)) return 0;
    if (best.empty() || path.find("/torch") != std::string::npos) best = path;
    return 0;
  };
  dl_iterate_phdr(look, &found);
  return found;
}

class OpenMPExecutor final : public Executor {
 public:
  OpenMPExecutor() : path_(loaded_openmp()) {
    // The library stays loaded: it is never closed.
    void* const library = path_.empty() ? nullptr : dlopen(path_.c_str(), RTLD_NOW | RTLD_NOLOAD);
    parallel_ = function<Parallel>(library, "GOMP_parallel");
    max_threads_ = function<MaxThreads>(library, "omp_get_max_threads");
    if (parallel_ == nullptr || max_threads_ == nullptr) {
      throw std::runtime_error("executor \"openmp\": " +
                               (path_.empty() ? std::string("no OpenMP library is loaded")
                                              : path_ + " lacks GOMP_parallel") +
                               "; import torch first");
    }
  }

  int concurrency() noexcept override { return is_forked() ? 1 : max_threads_(); }

  /// The team has the size that other loops have, though some of it may find nothing to do: the
  /// library ends the threads that a smaller team leaves over, and starts them again for the next.
  void run(int members, Task task, void* context) noexcept override {
    Loop loop{task, context, members, {0}};
    parallel_(&take_members, &loop, 0, 0);
  }

 private:
  using Parallel = void (*)(void (*function)(void*), void* data, unsigned threads, unsigned flags);
  using MaxThreads = int (*)();

  struct Loop {
    Task task;
    void* context;
    int members;
    std::atomic<int> taken;
  };

  static void take_members(void* data) {
    Loop& loop = *static_cast<Loop*>(data);
    for (int member = loop.taken++; member < loop.members; member = loop.taken++) {
      loop.task(loop.context, member);
    }
  }

  template <class Function>
  static Function function(void* library, const char* name) {
    return library ? reinterpret_cast<Function>(dlsym(library, name)) : nullptr;
  }

  std::string path_;
  Parallel parallel_;
  MaxThreads max_threads_;
};

#else

void check_not_forked() {}

class OpenMPExecutor final : public Executor {
 public:
  OpenMPExecutor() {
    throw std::runtime_error("executor \"openmp\": only Linux has it, in a build with threads");
  }
  int concurrency() noexcept override { return 1; }
  void run(int, Task task, void* context) noexcept override { task(context, 0); }
};

#endif

}  // namespace

Executor& openmp_executor() {
  check_not_forked();
  static std::atomic<OpenMPExecutor*> the_executor{nullptr};
  OpenMPExecutor* executor = the_executor;
  if (executor != nullptr) return *executor;
  OpenMPExecutor* const made = new OpenMPExecutor;
  if (the_executor.compare_exchange_strong(executor, made)) return *made;
  delete made;
  return *executor;
}

}  // namespace peephole
