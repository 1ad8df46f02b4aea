// A library that contains peephole takes its threads with it when it is unloaded.

#include <chrono>
#include <cstdio>
#include <thread>

#include "support/check.hpp"

#ifdef __linux__
#include <dlfcn.h>

#include <filesystem>

namespace {

long threads_of_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return std::distance(begin(tasks), end(tasks));
}

/// Whether no more than `number` threads are left. A joined thread is listed a little longer: the
/// system first wakes the thread that joins it, then takes it off the list. In an emulator, more
/// lies between the two.
bool threads_fall_to(long number) {
  constexpr int kMostPauses = 10'000;
  for (int pauses = 0; threads_of_process() > number; ++pauses) {
    if (pauses == kMostPauses) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace
#endif

int main(int count, char** arguments) {
#ifdef __linux__
  CHECK(count == 2);
  const long before = threads_of_process();
  for (int repeat = 0; repeat < 50; ++repeat) {
    void* const plugin = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    if (plugin == nullptr) std::printf("%s\n", dlerror());
    CHECK(plugin != nullptr);
    if (plugin == nullptr) break;
    const auto compute = reinterpret_cast<int (*)(int)>(dlsym(plugin, "compute_on_threads"));
    CHECK(compute != nullptr && compute(3) == 1);
    CHECK(threads_of_process() > before);
    CHECK(dlclose(plugin) == 0);
    CHECK(dlopen(arguments[1], RTLD_NOW | RTLD_NOLOAD) == nullptr);  // it is gone
    CHECK(threads_fall_to(before));
  }
#else
  static_cast<void>(count);
  static_cast<void>(arguments);
  CHECK(true);  // elsewhere the host calls shutdown_threads()
#endif
  return check::report();
}
