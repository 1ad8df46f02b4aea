#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "peephole/export.h"

/// What a process chooses for all models: threads and instruction set.
namespace peephole {

/// An environment variable has a value that it cannot have. Thrown by the first call that needs it,
/// such as the construction of a stream; the message names the variable and what it can be. Later
/// calls throw it again, unless the program chooses by set_isa() or set_num_threads().
class PEEPHOLE_API EnvironmentError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// How many threads a call may use, its own included. At first PEEPHOLE_NUM_THREADS if it is set;
/// otherwise the CPUs that the process may use (those of its affinity mask, and no more than the
/// CPU quota of its container), or OMP_NUM_THREADS if that is fewer. Results have the same bits for
/// any number. Throws EnvironmentError for a PEEPHOLE_NUM_THREADS that is no such number.
///
/// An explicit choice may exceed the number of CPUs. Work whose threads wait for each other at
/// every step then soon uses fewer of them, as it does where other programs use the CPUs.
PEEPHOLE_API int num_threads();

/// Throws std::invalid_argument for threads < 1 or more than kMostThreads.
PEEPHOLE_API void set_num_threads(int threads);
inline constexpr int kMostThreads = 1024;

/// Runs the parts of a call on threads of the host program, in place of peephole's own: for
/// programs that have a thread pool already. Two pools would compete for the same cores.
///
///     struct HostExecutor : peephole::Executor {
///       int concurrency() noexcept override { return pool.size(); }
///       void run(int members, Task task, void* context) noexcept override {
///         pool.parallel_for(members, [=](int member) { task(context, member); });
///       }
///     };
class PEEPHOLE_API Executor {
 public:
  using Task = void (*)(void* context, int member) noexcept;

  virtual ~Executor() = default;

  /// About how many threads run() has at a time, the calling one included; at least 1. No call is
  /// split into more parts.
  virtual int concurrency() noexcept = 0;

  /// Calls task(context, member) once for each member = 0 .. members - 1 and returns when all of
  /// these calls have returned. `members` is at most what concurrency() returned just before.
  ///
  /// The calls may run at the same time or one after the other, on any threads and in any order:
  /// they divide the work between those that run, and one alone does all of it. A call that starts
  /// late finds less work or none. A call may wait for others that have started, but never for one
  /// that has not. Several threads may be in run() at the same time.
  virtual void run(int members, Task task, void* context) noexcept = 0;
};

/// Makes all calls of the process use an executor; null: peephole's own threads, as at first. It
/// must exist until another one is set and all calls that began before have returned.
///
/// After fork(), the child process uses its own threads again: threads do not survive a fork.
PEEPHOLE_API void set_executor(Executor* executor) noexcept;

/// What calls of the current thread use; null: peephole's own threads.
PEEPHOLE_API Executor* executor() noexcept;

/// Makes the calls of the current thread use an executor (null: peephole's own threads), whatever
/// set_executor() says, until it is destroyed. They may be nested.
class PEEPHOLE_API ScopedExecutor {
 public:
  explicit ScopedExecutor(Executor* executor) noexcept;
  ~ScopedExecutor();
  ScopedExecutor(const ScopedExecutor&) = delete;
  ScopedExecutor& operator=(const ScopedExecutor&) = delete;

 private:
  Executor* const previous_;
  const bool previous_is_set_;
  const int forks_;
};

/// The threads of the OpenMP library that the process has loaded, such as that of PyTorch, which
/// otherwise keep the cores busy for some milliseconds after each of their own loops. Of several
/// libraries, PyTorch's. Always the same object, never destroyed.
///
/// OpenMP keeps a pool for each thread that starts loops: use it on the thread that also calls the
/// other library. Within a parallel region of OpenMP, a call runs on one thread.
///
/// Throws std::runtime_error if no OpenMP library is loaded, or on systems other than Linux.
PEEPHOLE_API Executor& openmp_executor();

/// Ends peephole's own threads, which otherwise wait for the next call; a later call starts them
/// again. Returns false, and does nothing, while a call uses them. A shared library that contains
/// peephole does this by itself when it is unloaded (on Windows call this before FreeLibrary).
PEEPHOLE_API bool shutdown_threads() noexcept;

/// The instruction set that the kernels use: "avx512", "avx2", "neon" or "baseline"; or
/// "reference", the readable path that they are tested against. At first PEEPHOLE_ISA, or else the
/// best there is. Results of different ones differ by rounding. Throws EnvironmentError if
/// PEEPHOLE_ISA is not one of isas().
PEEPHOLE_API std::string isa();

/// Who computes layers by default, and why: "avx2 kernels: the best instruction set of this
/// processor", "reference: chosen by PEEPHOLE_ISA". With PEEPHOLE_VERBOSE=1 in the environment,
/// each call writes a line per layer to stderr that says who computes it and why.
PEEPHOLE_API std::string backend();

/// Throws std::invalid_argument that lists isas() for another name.
PEEPHOLE_API void set_isa(const std::string& name);

/// Those that this build contains and this processor supports.
PEEPHOLE_API std::vector<std::string> isas();

}  // namespace peephole
