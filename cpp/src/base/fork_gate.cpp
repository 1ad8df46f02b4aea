#include "base/fork_gate.hpp"

#ifndef _WIN32
#include <pthread.h>
#endif

namespace peephole {

#ifdef _WIN32

ForkGate::ForkGate() noexcept {}
ForkGate::~ForkGate() {}

#else
namespace {

// Readers go before a waiting writer, so fork() cannot block who is inside.
pthread_rwlock_t gate = PTHREAD_RWLOCK_INITIALIZER;

// The child's only thread is not the one that locked it, as the system counts: it begins anew.
void reset() noexcept { gate = PTHREAD_RWLOCK_INITIALIZER; }

[[maybe_unused]] const int handlers = pthread_atfork([] { pthread_rwlock_wrlock(&gate); },
                                                     [] { pthread_rwlock_unlock(&gate); }, reset);

}  // namespace

ForkGate::ForkGate() noexcept { pthread_rwlock_rdlock(&gate); }
ForkGate::~ForkGate() { pthread_rwlock_unlock(&gate); }

#endif

}  // namespace peephole
