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
    CHECK(threads_of_process() == before);
    CHECK(dlopen(arguments[1], RTLD_NOW | RTLD_NOLOAD) == nullptr);  // it is gone
  }
#else
  static_cast<void>(count);
  static_cast<void>(arguments);
  CHECK(true);  // elsewhere the host calls shutdown_threads()
#endif
  return check::report();
}
