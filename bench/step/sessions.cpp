#include "sessions.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>
#include <vector>

#include "network.hpp"
#include "peephole/sessions.hpp"
#include "peephole/stream.hpp"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;
using peephole::Index;
using peephole::SessionStatus;

constexpr std::size_t kCalled = 1000;  // sessions of a call
constexpr std::size_t kOpen = 2000;    // of the pool

/// Microseconds a session, the least of all calls.
struct SessionTimes {
  double pool = std::numeric_limits<double>::infinity();
  double batch = pool;
  double loop = pool;
};

class SessionsBench {
 public:
  SessionsBench(const Sizes& sizes, const Options& options)
      : network_(network_of(sizes, options)),
        pool_(network_, kOpen),
        batch_(network_, kCalled),
        I_(sizes.I),
        random_(1),
        all_(kOpen),
        ids_(kCalled),
        order_(kOpen),
        x_(kCalled * I_),
        y_pool_(kCalled),
        y_other_(kCalled) {
    for (peephole::SessionId& id : all_) {
      if (pool_.open(id) != SessionStatus::ok) throw std::runtime_error("sessions: full");
    }
    streams_.reserve(kOpen);
    for (std::size_t n = 0; n < kOpen; ++n) streams_.emplace_back(network_);
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (float& value : x_) value = uniform(random_);
    for (int steps = 0; steps < 3; ++steps) check();
  }

  SessionTimes measure(const Options& options) {
    SessionTimes least;
    const auto deadline = Clock::now() + std::chrono::duration<double>(options.seconds);
    do {
      choose();
      least.pool = std::min(least.pool, microseconds([&] { step_pool(); }));
      least.batch =
          std::min(least.batch, microseconds([&] { batch_.step(x_.data(), y_other_.data()); }));
      least.loop = std::min(least.loop, microseconds([&] { step_streams(); }));
    } while (Clock::now() < deadline);
    return least;
  }

 private:
  /// Draws the sessions of the next call.
  void choose() {
    std::shuffle(order_.begin(), order_.end(), random_);
    for (std::size_t n = 0; n < kCalled; ++n) ids_[n] = all_[order_[n]];
  }
  void step_pool() {
    const auto n = static_cast<Index>(kCalled);
    if (pool_.step(ids_.data(), n, x_.data(), y_pool_.data()) != SessionStatus::ok) {
      throw std::runtime_error("sessions: ids are refused");
    }
  }
  void step_streams() {
    for (std::size_t n = 0; n < kCalled; ++n) {
      streams_[order_[n]].step(&x_[n * I_], &y_other_[n]);
    }
  }
  void check() {
    choose();
    step_pool();
    step_streams();
    if (y_pool_ != y_other_) throw std::runtime_error("sessions: other answers than the streams'");
  }

  template <class Run>
  static double microseconds(Run&& run) {
    const auto start = Clock::now();
    run();
    return std::chrono::duration<double>(Clock::now() - start).count() * 1e6 / kCalled;
  }

  peephole::Network<float> network_;
  peephole::Sessions<float> pool_;
  peephole::Stream<float> batch_;
  std::vector<peephole::Stream<float>> streams_;
  std::size_t I_;
  std::mt19937 random_;
  std::vector<peephole::SessionId> all_, ids_;
  std::vector<std::size_t> order_;
  std::vector<float> x_, y_pool_, y_other_;
};

}  // namespace

void run_sessions(const Options& options) {
  if (!options.json) {
    std::printf(
        "| I,H | pool, µs a session | full batch | loop |\n"
        "|---|---:|---:|---:|\n");
  }
  for (const Sizes& sizes : options.sizes) {
    const SessionTimes t = SessionsBench(sizes, options).measure(options);
    std::printf(options.json
                    ? "{\"I\": %zu, \"H\": %zu, \"pool\": %.4f, \"batch\": %.4f, \"loop\": %.4f}\n"
                    : "| %zu,%zu | %.3f | %.3f | %.3f |\n",
                sizes.I, sizes.H, t.pool, t.batch, t.loop);
    std::fflush(stdout);
  }
}

}  // namespace bench
