#include "stream.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <stdexcept>
#include <vector>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include "network.hpp"
#include "peephole/peephole.hpp"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;
using peephole::Index;

constexpr std::size_t kSteps = 3000;              // of a timed run
constexpr std::size_t kDistribution = 1'000'000;  // steps timed one by one

double nanoseconds(Clock::time_point start, Clock::time_point end) {
  return std::chrono::duration<double, std::nano>(end - start).count();
}

/// While it lives denormals count as zeros, as audio hosts have it: a step then need not see to it.
class HostMode {
 public:
#if defined(__SSE2__)
  HostMode() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040); }
  ~HostMode() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#else
  HostMode() {}
  ~HostMode() {}
#endif
};

struct Times {
  double step = std::numeric_limits<double>::infinity();  // the least a step, of all runs
  double host_mode = step;
  double block = step;
  double median = 0, p999 = 0;  // of steps one by one, the clock included
};

class StreamBench {
 public:
  StreamBench(const Sizes& sizes, const Options& options)
      : network_(network_of(sizes, options)),
        stream_(network_),
        I_(sizes.I),
        x_(kSteps * I_),
        y_(kSteps) {
    for (std::size_t n = 0; n < x_.size(); ++n) x_[n] = 0.01f * static_cast<float>(n % 97) - 0.5f;
    check();
  }

  Times measure(const Options& options) {
    Times times;
    const auto deadline = Clock::now() + std::chrono::duration<double>(options.seconds);
    do {
      keep_least(times.step, [&] { steps(); });
      {
        const HostMode mode;
        keep_least(times.host_mode, [&] { steps(); });
      }
      keep_least(times.block,
                 [&] { stream_.process(x_.data(), y_.data(), static_cast<Index>(kSteps)); });
    } while (Clock::now() < deadline);
    distribute(times);
    return times;
  }

 private:
  /// The answers of the whole sequence, bit for bit.
  void check() {
    const auto time = static_cast<Index>(kSteps);
    std::vector<float> expected(kSteps);
    network_.infer({peephole::contiguous<const float>(x_.data(), 1, time, static_cast<Index>(I_))},
                   {peephole::contiguous(expected.data(), 1, time, 1)});
    steps();
    if (y_ != expected) throw std::runtime_error("stream: other answers than infer's");
  }

  void steps() {
    for (std::size_t t = 0; t < kSteps; ++t) stream_.step(&x_[t * I_], &y_[t]);
  }

  template <class Run>
  static void keep_least(double& least, Run run) {
    const auto start = Clock::now();
    run();
    least = std::min(least, nanoseconds(start, Clock::now()) / kSteps);
  }

  void distribute(Times& times) {
    std::vector<double> each(kDistribution);
    auto before = Clock::now();
    for (std::size_t n = 0; n < kDistribution; ++n) {
      stream_.step(&x_[n % kSteps * I_], &y_[0]);
      const auto now = Clock::now();
      each[n] = nanoseconds(before, now);
      before = now;
    }
    const auto at = [&](double share) {
      const auto nth = each.begin() + static_cast<std::ptrdiff_t>(share * kDistribution);
      std::nth_element(each.begin(), nth, each.end());
      return *nth;
    };
    times.median = at(0.5);
    times.p999 = at(0.999);
  }

  peephole::Network<float> network_;
  peephole::Stream<float> stream_;
  std::size_t I_;
  std::vector<float> x_, y_;
};

}  // namespace

void run_streams(const Options& options) {
  if (!options.json) {
    std::printf(
        "| I,H | step, ns | denormals off | in a block | p50 | p99.9 |\n"
        "|---|---:|---:|---:|---:|---:|\n");
  }
  for (const Sizes& sizes : options.sizes) {
    const Times t = StreamBench(sizes, options).measure(options);
    std::printf(options.json ? "{\"I\": %zu, \"H\": %zu, \"what\": \"stream\", \"step\": %.1f, "
                               "\"host_mode\": %.1f, \"block\": %.1f, \"p50\": %.0f, "
                               "\"p999\": %.0f}\n"
                             : "| %zu,%zu | %.1f | %.1f | %.1f | %.0f | %.0f |\n",
                sizes.I, sizes.H, t.step, t.host_mode, t.block, t.median, t.p999);
    std::fflush(stdout);
  }
}

}  // namespace bench
