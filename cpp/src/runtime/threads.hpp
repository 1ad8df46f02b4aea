#pragma once

#include <atomic>
#include <type_traits>

namespace peephole {

/// A pause between looks at what another thread is about to change.
inline void spin_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

/// A share of the process's threads, all of which run at the same time: the caller's own and
/// size() - 1 workers. One team exists at a time; who comes while another has it gets a team of
/// one, which is why nothing computed may depend on a team's size.
class Team {
 public:
  /// At most `wanted` threads.
  explicit Team(int wanted) noexcept;
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const noexcept { return size_; }

  /// Calls task(member) for member = 0 .. size() - 1, each on its own thread, and waits for all.
  /// The task must not throw.
  template <class Task>
  void run(Task&& task) noexcept {
    using Stored = std::remove_reference_t<Task>;
    run([](void* context, int member) noexcept { (*static_cast<Stored*>(context))(member); },
        &task);
  }

 private:
  using Call = void (*)(void* context, int member) noexcept;
  void run(Call call, void* context) noexcept;

  int size_ = 1;
};

/// Where the members of a team wait for each other, without a system call while all are on time.
class Barrier {
 public:
  explicit Barrier(int members) noexcept : members_(members), missing_(members) {}

  void wait() noexcept;

 private:
  const int members_;
  alignas(64) std::atomic<int> missing_;
  alignas(64) std::atomic<unsigned> round_{0};
};

}  // namespace peephole
