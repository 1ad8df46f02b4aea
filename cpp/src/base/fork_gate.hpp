#pragma once

#include "base/mutex.hpp"

// Where a process can fork while other threads of it run.
#if !defined(_WIN32) && !defined(PEEPHOLE_SINGLE_THREADED)
#define PEEPHOLE_FORKS
#endif

/// fork() copies the memory of a process while its other threads run. In the child these threads
/// do not exist: a mutex that one of them held stays locked, and what it was changing stays half
/// changed. So nothing is forked while a thread is in a critical section: fork() waits for those
/// that are, and they for fork().
namespace peephole {

/// Takes part in the above while it exists. Not to be nested.
class ForkGate {
 public:
  ForkGate() noexcept;
  ~ForkGate();
  ForkGate(const ForkGate&) = delete;
  ForkGate& operator=(const ForkGate&) = delete;
};

/// A critical section: a locked mutex that no child process inherits locked. All mutexes that
/// outlive a call are locked in this way.
class Locked {
 public:
  explicit Locked(Mutex& mutex) : mutex_(mutex) { mutex_.lock(); }
  ~Locked() { mutex_.unlock(); }

 private:
  const ForkGate gate_;  // passed first: a thread that waits for the mutex holds up fork(), too
  Mutex& mutex_;
};

}  // namespace peephole
