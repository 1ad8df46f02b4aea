#pragma once

#include <type_traits>

#include "peephole/runtime.hpp"

namespace peephole {

/// The threads of one call: members that run a task, on the executor that the call is to use.
/// peephole's own threads serve one team at a time; a team that is made meanwhile has one member.
/// Nothing computed may depend on a team's size.
class Team {
 public:
  /// At most `wanted` members.
  explicit Team(int wanted) noexcept;
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const noexcept { return size_; }

  /// Calls task(member) for members in 0 .. size() - 1, 0 on this thread or as the executor has it,
  /// and waits for all that have begun. They may run at the same time or one after the other; of
  /// peephole's own threads, those that have not begun when member 0 has ended are left out. So
  /// each member must be able to do all of the work, and wait for none that has not begun.
  template <class Task>
  void run(Task&& task) noexcept {
    using Stored = std::remove_reference_t<Task>;
    run([](void* context, int member) noexcept { (*static_cast<Stored*>(context))(member); },
        &task);
  }

 private:
  void run(Executor::Task task, void* context) noexcept;

  Executor* executor_ = nullptr;  // null: peephole's own threads
  int size_ = 1;
};

}  // namespace peephole
