// In place of workers.cpp and cpus.cpp in a build for one thread (PEEPHOLE_THREADS=OFF).
#include "runtime/cpus.hpp"
#include "runtime/workers.hpp"

namespace peephole {

int available_cpus() noexcept { return 1; }

int hire_workers(int) noexcept { return 1; }

void release_workers() noexcept {}

void run_on_workers(int members, Executor::Task task, void* context) noexcept {
  for (int member = 0; member < members; ++member) task(context, member);
}

bool shutdown_threads() noexcept { return true; }

}  // namespace peephole
