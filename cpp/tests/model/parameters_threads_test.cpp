#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "model/parameters_access.hpp"
#include "peephole/parameters.hpp"
#include "support/check.hpp"

// Several threads that change the parameters of one model, as Python's may where there is no GIL.
// The tsan preset shows that no two of them touch the same memory at the same time.

using namespace peephole;

namespace {

constexpr int kThreads = 4;
constexpr Index kRows = 16, kColumns = 8, kSize = kRows * kColumns;
const std::vector<ParameterSpec> kSpecs = {{"a", kRows, kColumns}, {"b", kRows, 0}};

template <class Work>
void at_once(Work work) {
  std::atomic<int> waiting{kThreads};
  std::vector<std::thread> threads;
  for (int k = 0; k < kThreads; ++k) {
    threads.emplace_back([&, k] {
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      work(k);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void assignments() {
  Parameters<float> parameters(kSpecs);
  at_once([&](int k) {
    const std::vector<float> values(kSize, static_cast<float>(k + 1));
    for (int round = 0; round < 200; ++round) {
      parameters.assign(0, values.data());
      ParametersAccess<float>::refresh(parameters);
    }
  });
  const float* const a = parameters.data(0);
  CHECK(a[0] >= 1 && a[0] <= kThreads);
  CHECK(std::all_of(a, a + kSize, [&](float value) { return value == a[0]; }));
}

/// Views of a tensor are opened and closed while others are assigned.
void writers() {
  Parameters<float> parameters(kSpecs);
  std::atomic<bool> same{true};
  at_once([&](int k) {
    const std::vector<float> values(kSize, static_cast<float>(k + 1));
    for (int round = 0; round < 200; ++round) {
      auto writer = parameters.write();
      if (writer.data(0) != parameters.data(0)) same = false;
      parameters.assign(1, values.data());
      ParametersAccess<float>::refresh(parameters);
    }
  });
  CHECK(same);
}

/// Masks add up, whichever thread sets the first.
void masks() {
  for (int round = 0; round < 100; ++round) {
    Parameters<float> parameters(kSpecs);
    const std::vector<float> ones(kSize, 1.0f);
    parameters.assign(0, ones.data());
    at_once([&](int k) {
      bool connected[kSize];
      std::fill_n(connected, kSize, true);
      std::fill_n(connected + k * kColumns, kColumns, false);
      parameters.mask(0, connected);
    });
    CHECK(parameters.masked(0));
    for (Index j = 0; j < kSize; ++j) {
      const bool connected = j >= kThreads * kColumns;
      CHECK(parameters.mask(0)[j] == connected);
      CHECK(parameters.data(0)[j] == (connected ? 1.0f : 0.0f));
    }
  }
}

}  // namespace

int main() {
  assignments();
  writers();
  masks();
  return check::report();
}
