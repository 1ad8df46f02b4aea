// The weights of streams: kept while the model changes or goes, shared while it does not, swapped,
// and read by several threads.

#include <algorithm>
#include <memory>
#include <thread>

#include "peephole/runtime.hpp"
#include "stream/networks.hpp"
#include "support/check.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

/// A stream keeps the weights that it was made with, the model or no model.
void holds_its_weights() {
  Random random(8);
  auto network = std::make_unique<Network<float>>(random_network<float>(filter(20), random, true));
  const std::vector<float> x = random.values<float>(kTime);
  Stream<float> before(*network);
  const std::vector<float> expected = inferred(*network, x, 1, kTime);

  randomise(network->parameters(), random);
  Stream<float> after(*network);
  CHECK(same_bits(stepped(after, x, kTime), inferred(*network, x, 1, kTime)));
  network.reset();
  CHECK(same_bits(stepped(before, x, kTime), expected));
}

/// Streams of one unchanged model have one copy of its weights; a change makes another.
void shares_its_weights() {
  Random random(12);
  Network<float> network = random_network<float>(filter(20), random, false);
  Stream<float> first(network), second(network), layer(*network.lstm());
  CHECK(first.weights() == second.weights());
  CHECK(first.has_head() && !layer.has_head());
  CHECK(layer.weights() != first.weights());
  CHECK(Stream<float>(*network.lstm()).weights() == layer.weights());
  CHECK(std::equal(first.weights(), first.weights() + network.parameters().specs()[0].size(),
                   network.parameters().data(0)));
  auto writer = network.parameters().write();
  float* const values = writer.data(0);
  CHECK(Stream<float>(network).weights() == first.weights());
  values[0] += 1;
  const Stream<float> third(network);
  CHECK(third.weights() != first.weights());
  CHECK(third.weights()[0] == values[0]);
  CHECK(Stream<float>(third).weights() == third.weights());
}

/// A real-time thread takes over another stream by swapping.
void swaps() {
  Random random(13);
  const std::vector<float> x = random.values<float>(kTime);
  const Network<float> a = random_network<float>(filter(9), random, false);
  const Network<float> b = random_network<float>(filter(20), random, false);
  Stream<float> one(a), other(b);
  swap(one, other);
  CHECK(one.hidden_size(0) == 20);
  CHECK(same_bits(stepped(one, x, kTime), inferred(b, x, 1, kTime)));
  CHECK(same_bits(stepped(other, x, kTime), inferred(a, x, 1, kTime)));
}

/// Streams of one model on threads of their own.
void on_threads() {
  constexpr Index kSteps = 2000;
  constexpr std::size_t kThreads = 4;
  Random random(9);
  const Network<float> network = random_network<float>(filter(24), random, false);
  const std::vector<float> x = random.values<float>(kSteps);
  const std::vector<float> expected = inferred(network, x, 1, kSteps);
  std::vector<std::vector<float>> y(kThreads, std::vector<float>(x.size()));
  std::vector<std::thread> threads;
  for (std::size_t n = 0; n < kThreads; ++n) {
    threads.emplace_back([&, n] {
      Stream<float> stream(network);
      for (std::size_t t = 0; t < x.size(); ++t) stream.step(&x[t], &y[n][t]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& of_thread : y) CHECK(same_bits(of_thread, expected));
}

}  // namespace

int main() {
  const std::string chosen = isa();
  for (const std::string& name : isas()) {
    set_isa(name);
    holds_its_weights();
    shares_its_weights();
    swaps();
  }
  set_isa(chosen);
  on_threads();
  return check::report();
}
