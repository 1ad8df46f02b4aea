// A child process forked while other threads lock and unlock can lock, too.

#include "base/fork_gate.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include "support/check.hpp"

#ifndef _WIN32
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace peephole;

int main() {
#ifdef _WIN32
  CHECK(true);  // there is no fork
#else
  std::mutex mutex;
  int before = 0, after = 0;  // equal but within critical sections
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int k = 0; k < 3; ++k) {
    threads.emplace_back([&] {
      while (!stop) {
        {
          const Locked lock(mutex);
          ++before;
          for (volatile int spin = 0; spin < 1000;) spin = spin + 1;
          ++after;
        }
        std::this_thread::yield();
      }
    });
  }
  for (int k = 0; k < 200; ++k) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);  // ends a child that waits for ever
      const Locked lock(mutex);
      _exit(before == after ? 0 : 1);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
#endif
  return check::report();
}
