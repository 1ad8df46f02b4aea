#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>

#include "gil.hpp"

namespace peephole::binding {

/// A lock that threads wait for without the GIL, of an object whose calls take turns.
///
/// It is not one of the core's, which hold up fork(): a call may hold this one for minutes. A child
/// process that was forked meanwhile has no thread that would unlock it, and gets an error instead.
class TurnLock {
 public:
  /// Held while it exists.
  class Turn {
   public:
    /// `name` is that of the argument or object in messages. Throws std::runtime_error if this
    /// thread holds the lock already, or no living thread, and what signal handlers raise while it
    /// waits.
    Turn(TurnLock& lock, const char* name) : lock_(lock) {
      if (!lock.mutex_.try_lock()) wait(name);
      lock.owner_ = PyThread_get_thread_ident();
    }
    ~Turn() {
      lock_.owner_ = kNobody;
      lock_.mutex_.unlock();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    void wait(const char* name) {
      while (true) {
        const unsigned long owner = lock_.owner_;
        if (owner == PyThread_get_thread_ident()) {
          throw std::runtime_error(std::string(name) + ": in use by a call of this thread");
        }
        {
          const WithoutGil release;
          if (lock_.mutex_.try_lock_for(std::chrono::milliseconds(50))) return;
        }
        if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
        if (owner != kNobody && owner == lock_.owner_ && !lives(owner)) {
          throw std::runtime_error(std::string(name) +
                                   ": was in use by another thread when this process was forked");
        }
      }
    }
    static bool lives(unsigned long owner) {
      const auto frames = pybind11::module_::import("sys").attr("_current_frames")();
      return frames.contains(owner);
    }

    TurnLock& lock_;
  };

 private:
  static constexpr unsigned long kNobody = static_cast<unsigned long>(-1);

  std::timed_mutex mutex_;
  std::atomic<unsigned long> owner_{kNobody};
};

}  // namespace peephole::binding
