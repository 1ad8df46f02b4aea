#pragma once

namespace peephole {

/// How many members may split work that makes them wait for each other at every step.
///
/// Where a core has other work, or there are more threads than cores, a member that does not run
/// delays all others by a time slice of the system, some milliseconds, which is a hundred steps.
/// After a split with late members, fewer of them are used for a while; each further one within
/// that time makes the next time twice as long. All calls of the process share what they learn.
int split_limit(int wanted) noexcept;

/// Reports a split whose members were late.
void split_was_late(int members) noexcept;

/// Whether late splits are given up, which they are at first. For tests.
void give_up_late_splits(bool on) noexcept;

}  // namespace peephole
