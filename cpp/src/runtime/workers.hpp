#pragma once

#include "peephole/runtime.hpp"

/// peephole's own threads. They are started when a call first wants them and then wait for the next
/// one. A call at a time has them.
namespace peephole {

/// Reserves up to `wanted` - 1 of them for the calling thread. Returns how many members that makes,
/// the caller included: 1 while another call has them.
int hire_workers(int wanted) noexcept;

/// To be called if hire_workers() returned more than 1.
void release_workers() noexcept;

/// Calls task(context, member): 0 on this thread, the others on the reserved ones. Those that have
/// not begun when member 0 has ended are left out; returns when all others have ended.
void run_on_workers(int members, Executor::Task task, void* context) noexcept;

}  // namespace peephole
