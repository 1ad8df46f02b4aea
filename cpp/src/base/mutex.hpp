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

}  // namespace peephole
