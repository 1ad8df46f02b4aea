#include "base/fork_gate.hpp"

#ifdef PEEPHOLE_FORKS
#include <pthread.h>
#endif

namespace peephole {

#ifndef PEEPHOLE_FORKS

ForkGate::ForkGate() noexcept {}
ForkGate::~ForkGate() {}

#else
namespace {

// Readers go before a waiting writer, so fork() cannot block a thread that is inside.
pthread_rwlock_t gate = PTHREAD_RWLOCK_INITIALIZER;

// In the child the lock is initialised again: to the system, the thread that locked it is another
// one.
void reset() noexcept { gate = PTHREAD_RWLOCK_INITIALIZER; }

// The lock itself needs no construction, so that models can be used from global constructors.
[[gnu::constructor]] void register_handlers() {
  pthread_atfork([] { pthread_rwlock_wrlock(&gate); }, [] { pthread_rwlock_unlock(&gate); }, reset);
}

}  // namespace

ForkGate::ForkGate() noexcept { pthread_rwlock_rdlock(&gate); }
ForkGate::~ForkGate() { pthread_rwlock_unlock(&gate); }

#endif

}  // namespace peephole
