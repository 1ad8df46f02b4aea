#pragma once

#ifndef PEEPHOLE_SINGLE_THREADED
#include <mutex>
#endif

namespace peephole {

#ifdef PEEPHOLE_SINGLE_THREADED
/// In a build for one thread (PEEPHOLE_THREADS=OFF) there is nothing to lock.
class Mutex {
 public:
  void lock() noexcept {}
  void unlock() noexcept {}
};
#else
using Mutex = std::mutex;
#endif

/// Defined where a process can fork while other threads of it run.
#if !defined(_WIN32) && !defined(PEEPHOLE_SINGLE_THREADED)
#define PEEPHOLE_FORKS
#endif

}  // namespace peephole
