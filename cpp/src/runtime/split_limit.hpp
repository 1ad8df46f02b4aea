#pragma once

#include <chrono>

namespace peephole {

/// How many members may split work that makes them wait for each other at every step.
///
/// Where a core has other work, or there are more threads than cores, a member that does not run
/// delays all others by a time slice of the system, some milliseconds, which is a hundred steps.
/// Where splits lose more time in this way than they gain, fewer members are used for a while; for
/// twice as long if that happens again soon. All calls of the process share what they learn.
int split_limit(int wanted) noexcept;

/// Reports a split: how long it took, and how much of that its members waited for late ones.
void report_split(int members, std::chrono::nanoseconds time,
                  std::chrono::nanoseconds lost) noexcept;

/// Whether splits are given up, which they are at first. For tests.
void give_up_late_splits(bool on) noexcept;

}  // namespace peephole
