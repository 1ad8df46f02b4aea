// That a step, of a stream or a pool, neither allocates, nor locks, nor calls the system: a million
// steps of several models, while the C library's functions for it are watched, and again where
// Linux kills a process for its first system call.
#include <cstdlib>
#include <string>
#include <vector>

#include "peephole/initialise.hpp"
#include "peephole/runtime.hpp"
#include "peephole/sessions.hpp"
#include "peephole/stream.hpp"
#include "support/arrays.hpp"
#include "support/check.hpp"
#include "support/watched_calls.hpp"

#if defined(__linux__)
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace peephole;
using namespace peephole::test;

namespace {

#if defined(PEEPHOLE_SANITIZED)
constexpr int kSteps = 10'000;
#else
constexpr int kSteps = 1'000'000;
#endif

NetworkConfig filter() {
  NetworkConfig config;
  config.lstm.hidden_sizes = {20};
  return config;
}

NetworkConfig classifier() {
  NetworkConfig config;
  config.lstm.input_size = 3;
  config.lstm.hidden_sizes = {17, 9, 40};
  config.lstm.activations.resize(3);
  config.lstm.activations[1].g = Activation::softsign;
  config.output_size = 4;
  config.head = HeadActivation::softmax;
  return config;
}

/// Whose output gate waits for all of c_t.
NetworkConfig chainer() {
  NetworkConfig config = filter();
  config.lstm.peephole = Peephole::dense;
  config.lstm.output_peephole = OutputPeephole::current;
  return config;
}

NetworkConfig zoned() {
  NetworkConfig config = filter();
  config.lstm.zoneout = 0.1;
  return config;
}

NetworkConfig after_dense() {
  NetworkConfig config = filter();
  config.lstm.input_size = 2;
  config.input_dense_size = 24;
  config.input_activation = Activation::tanh;
  return config;
}

Network<float> random_network(const NetworkConfig& config, Random& random) {
  Network<float> network(config, uninitialised);
  randomise(network.parameters(), random);
  return network;
}

class Player {
 public:
  Player(const NetworkConfig& config, Index batch, Random& random)
      : stream_(random_network(config, random), batch),
        other_(stream_),
        x_(random.values<float>(batch * stream_.input_size())),
        y_(at(batch * stream_.output_size())) {}

  void play(int steps) noexcept {
    for (int step = 0; step < steps; ++step) stream_.step(x_.data(), y_.data());
    stream_.process(x_.data(), y_.data(), 1);
    const Index B = stream_.batch(), H = stream_.hidden_size(0);
    stream_.get_state(0, {state_, state_, B, H});
    stream_.set_state(0, {state_, state_, B, H});
    other_.swap(stream_);
    other_.swap(stream_);
    stream_.reset();
  }

 private:
  Stream<float> stream_, other_;
  std::vector<float> x_, y_;
  float state_[64] = {};
};

/// Does all that a pool does after its construction.
class PoolPlayer {
 public:
  explicit PoolPlayer(const NetworkConfig& config, Random& random)
      : pool_(random_network(config, random), kSessions),
        other_(pool_),
        ids_(kSessions),
        x_(random.values<float>(kSessions * 2 * pool_.input_size())),
        y_(at(kSessions * 2 * pool_.output_size())),
        snapshot_(1 << 20) {}

  void play(int steps) noexcept {
    const Index lengths[] = {2, 0, 1};
    for (SessionId& id : ids_) passed_ += pool_.open(id) == SessionStatus::ok;
    for (int step = 0; step < steps; step += 80) {
      passed_ += pool_.step(ids_.data(), kSessions, x_.data(), y_.data()) == SessionStatus::ok;
      passed_ += pool_.step(ids_.data(), 1, x_.data(), y_.data()) == SessionStatus::ok;
      passed_ +=
          pool_.process(ids_.data(), 3, x_.data(), y_.data(), 2, lengths) == SessionStatus::ok;
    }
    const Index P = pool_.recurrent_size(0), H = pool_.hidden_size(0);
    passed_ += pool_.get_state(ids_[0], 0, {state_, state_, 1, H, P}) == SessionStatus::ok;
    passed_ += pool_.set_state(ids_[1], 0, {state_, state_, 1, H, P}) == SessionStatus::ok;
    pool_.ids(ids_.data());
    const std::size_t size = pool_.snapshot_size();
    if (size <= snapshot_.size()) pool_.snapshot(snapshot_.data());
    passed_ += pool_.restore(snapshot_.data(), size) == SessionStatus::ok;
    passed_ += pool_.reset(ids_[2]) == SessionStatus::ok;
    for (SessionId id : ids_) passed_ += pool_.close(id) == SessionStatus::ok;
    other_.swap(pool_);
    other_.swap(pool_);
  }
  /// The calls of play() that did what they should.
  static long wanted(int steps) { return 2 * kSessions + 3 * ((steps + 79) / 80) + 4; }
  long passed() const { return passed_; }

 private:
  static constexpr Index kSessions = 70;  // more than a block of rows

  Sessions<float> pool_, other_;
  std::vector<SessionId> ids_;
  std::vector<float> x_, y_;
  std::vector<char> snapshot_;
  float state_[64] = {};
  long passed_ = 0;
};

/// Of streams and of pools.
struct Players {
  std::vector<Player> streams;
  std::vector<PoolPlayer> pools;
};

[[maybe_unused]] Players players() {
  Random random(1);
  Players players;
  std::vector<Player>& all = players.streams;
  all.reserve(8);
  all.emplace_back(filter(), 1, random);
  all.emplace_back(filter(), 2, random);
  all.emplace_back(classifier(), 1, random);
  all.emplace_back(chainer(), 1, random);
  all.emplace_back(zoned(), 1, random);
  all.emplace_back(zoned(), 2, random);
  all.emplace_back(after_dense(), 1, random);
  all.emplace_back(after_dense(), 2, random);
  for (const NetworkConfig& config : {filter(), classifier(), chainer(), zoned(), after_dense()}) {
    players.pools.emplace_back(config, random);
  }
  return players;
}

constexpr int kStepsOfEach = kSteps / 10;

[[maybe_unused]] void play_all(Players& players) noexcept {
  for (Player& player : players.streams) player.play(kStepsOfEach);
  for (PoolPlayer& player : players.pools) player.play(kStepsOfEach);
}

void neither_allocates_nor_locks() {
#if defined(PEEPHOLE_WATCHED)
  Players all = players();
  CHECK(watched_calls([] { std::free(std::malloc(1)); }) >= 2);  // it does watch
  CHECK(watched_calls([&] { play_all(all); }) == 0);
  for (const PoolPlayer& player : all.pools) {
    CHECK(player.passed() == PoolPlayer::wanted(kStepsOfEach));
  }
#else
  std::printf("skipped: allocation is watched with glibc, without sanitizers\n");
#endif
}

/// In a process that may only read, write and exit.
void calls_no_system() {
#if defined(__linux__) && !defined(PEEPHOLE_SANITIZED)
  Players all = players();
  const pid_t child = fork();
  if (child == 0) {
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) syscall(SYS_exit, 2);
    play_all(all);
    syscall(SYS_exit, 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
    std::printf("skipped: seccomp is not allowed here\n");
    return;
  }
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#else
  std::printf("skipped: needs Linux, without sanitizers\n");
#endif
}

}  // namespace

int main() {
  for (const std::string& name : isas()) {
    if (name == "reference") continue;  // Eigen allocates
    set_isa(name);
    neither_allocates_nor_locks();
    calls_no_system();
  }
  CHECK(isas().size() > 1);
  return check::report();
}
