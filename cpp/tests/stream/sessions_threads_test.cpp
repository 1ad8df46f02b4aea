// Pools of one model on several threads at once, which share its weights; for ThreadSanitizer.
#include <thread>
#include <vector>

#include "peephole/sessions.hpp"
#include "stream/networks.hpp"
#include "support/check.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

constexpr Index kSessions = 60, kSteps = 5;

/// Makes a pool, and opens, advances, saves and closes sessions.
std::vector<float> play(const Network<float>& network, const std::vector<float>& x) {
  Sessions<float> pool(network, kSessions), other(network, kSessions);
  std::vector<SessionId> ids(at(kSessions));
  bool passed = true;
  const auto note = [&](SessionStatus status) { passed = passed && status == SessionStatus::ok; };
  for (SessionId& id : ids) note(pool.open(id));
  std::vector<float> y(at(kSessions * kSteps)), last(at(kSessions));
  note(pool.process(ids.data(), kSessions, x.data(), y.data(), kSteps));
  std::vector<char> snapshot(pool.snapshot_size());
  pool.snapshot(snapshot.data());
  note(other.restore(snapshot.data(), snapshot.size()));
  note(other.step(ids.data(), kSessions, x.data(), last.data()));
  note(other.step(ids.data(), 1, x.data(), last.data()));
  for (SessionId id : ids) note(pool.close(id));
  y.insert(y.end(), last.begin(), last.end());
  if (!passed) y.clear();
  return y;
}

}  // namespace

int main() {
  Random random(1);
  const Network<float> network = random_network<float>(filter(24), random, false);
  const std::vector<float> x = random.values<float>(kSessions * kSteps);
  const std::vector<float> expected = play(network, x);
  std::vector<std::vector<float>> results(4);
  std::vector<std::thread> threads;
  for (std::vector<float>& result : results) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) result = play(network, x);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(!expected.empty());
  for (const std::vector<float>& result : results) CHECK(same_bits(result, expected));
  return check::report();
}
