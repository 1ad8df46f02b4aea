// Calls that are stopped: they throw soon, and leave the model, its streams and later calls as they
// would have been. Being able to stop changes no bits.

#include "peephole/interrupt.hpp"

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "peephole/network.hpp"
#include "peephole/runtime.hpp"
#include "peephole/stream.hpp"
#include "support/arrays.hpp"
#include "support/check.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

struct After : Interrupt {
  int asked = 0, stop_at;
  explicit After(int times) : stop_at(times) {}
  bool requested() noexcept override { return ++asked >= stop_at; }
};

/// The seed of networks with noise.
constexpr std::uint64_t kSeed = 2;

NetworkConfig config_of(Index hidden, bool bidirectional, bool noise = false) {
  NetworkConfig config;
  config.lstm.input_size = 3;
  config.lstm.hidden_sizes = {hidden, hidden};
  config.lstm.peephole = Peephole::diagonal;
  config.lstm.bidirectional = bidirectional;
  config.output_size = 2;
  if (noise) config.lstm.zoneout = config.lstm.recurrent_dropout = 0.1;
  return config;
}

/// The results of all calls of a network.
struct Results {
  std::vector<float> y, y_of_training, gradients, streamed;
  bool operator==(const Results& b) const {
    return y == b.y && y_of_training == b.y_of_training && gradients == b.gradients &&
           streamed == b.streamed;
  }
};

Results results_of(const Network<float>& network, const std::vector<float>& x, Index B, Index T) {
  const Index O = network.config().output_size, I = network.config().lstm.input_size;
  Results results;
  results.y.resize(at(B * T * O));
  results.y_of_training = results.y;
  results.gradients.resize(at(network.parameters().flat_size()));
  const Call<float> call = {contiguous(x.data(), B, T, I)};
  network.infer(call, {contiguous(results.y.data(), B, T, O)});
  Tape<float> tape;
  network.forward(call, {contiguous(results.y_of_training.data(), B, T, O)}, tape, kSeed);
  const std::vector<float> dy(results.y.size(), 0.5f);
  network.backward(tape, Gradient<float>::of_y(contiguous(dy.data(), B, T, O)),
                   {results.gradients.data(), static_cast<Index>(results.gradients.size())});
  if (!network.config().lstm.bidirectional) {
    results.streamed.resize(results.y.size());
    Stream<float>(network, B).process(x.data(), results.streamed.data(), T);
  }
  return results;
}

void same_bits(bool noise) {
  Random random(3);
  for (const bool bidirectional : {false, true}) {
    for (const Index B : {Index{1}, Index{3}, Index{40}}) {
      const Index T = 100;
      const Network<float> network(config_of(40, bidirectional, noise), 1);
      const auto x = random.values<float>(B * T * 3);
      const Results expected = results_of(network, x, B, T);
      After never(1 << 30);
      const ScopedInterrupt scope(&never);
      CHECK(results_of(network, x, B, T) == expected);
      CHECK(!scope.stopped());
    }
  }
}

/// Makes calls until one of them has taken a tenth of a second, is asked whether to stop, and
/// stops.
template <class Call>
void check_stops(const Call& call) {
  After at_once(1);
  const ScopedInterrupt scope(&at_once);
  bool thrown = false;
  try {
    for (int i = 0; i < 10000 && !scope.stopped(); ++i) call();
  } catch (const Interrupted&) {
    thrown = true;
  }
  CHECK(scope.stopped());
  CHECK(at_once.asked == 1);
  bool next_throws = false;
  try {
    call();
  } catch (const Interrupted&) {
    next_throws = true;
  }
  CHECK(thrown == next_throws);
}

void stopped_calls(Index B, bool bidirectional, bool noise = false) {
  const Index T = 4000 / B, I = 3, O = 2;
  const Network<float> network(config_of(32, bidirectional, noise), 1);
  const std::vector<float> x(at(B * T * I), 0.5f), dy(at(B * T * O), 0.5f);
  std::vector<float> y(at(B * T * O)), gradients(at(network.parameters().flat_size()));
  const Call<float> call = {contiguous(x.data(), B, T, I)};
  const Outputs<float> outputs = {contiguous(y.data(), B, T, O)};
  check_stops([&] { network.infer(call, outputs); });

  const auto gradient = Gradient<float>::of_y(contiguous(dy.data(), B, T, O));
  const Span<float> flat = {gradients.data(), static_cast<Index>(gradients.size())};
  Tape<float> tape;
  network.forward(call, outputs, tape, kSeed);
  check_stops([&] { network.backward(tape, gradient, flat); });
  network.backward(tape, gradient, flat);  // the tape is as it was
  check_stops([&] { network.forward(call, outputs, tape, kSeed); });
  CHECK_THROWS(network.backward(tape, gradient, flat), "tape");

  // The next calls compute as ever.
  const Network<float> another(config_of(32, bidirectional, noise), 1);
  CHECK(results_of(network, x, 2, 30) == results_of(another, x, 2, 30));
  if (bidirectional) return;
  Stream<float> stream(network, B);
  check_stops([&] { stream.process(x.data(), y.data(), T); });
}

/// Takes its time to answer, so that the other members of a team have begun meanwhile.
struct Slowly : Interrupt {
  bool requested() noexcept override {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return true;
  }
};

/// Members that wait for each other at every step leave together.
void stopped_members_of_a_team() {
  const Index T = 2000, I = 3, O = 2;
  const Network<float> network(config_of(160, false), 1);
  const std::vector<float> x(at(T * I), 0.5f), dy(at(T * O), 0.5f);
  std::vector<float> y(at(T * O)), gradients(at(network.parameters().flat_size()));
  const Call<float> call = {contiguous(x.data(), 1, T, I)};
  const Outputs<float> outputs = {contiguous(y.data(), 1, T, O)};
  Tape<float> tape;
  network.forward(call, outputs, tape);
  for (int times = 0; times < 3; ++times) {
    for (const bool backward : {false, true}) {
      Slowly slowly;
      const ScopedInterrupt scope(&slowly);
      bool stopped = false;
      while (!stopped) {
        try {
          if (backward) {
            network.backward(tape, Gradient<float>::of_y(contiguous(dy.data(), 1, T, O)),
                             {gradients.data(), static_cast<Index>(gradients.size())});
          } else {
            network.infer(call, outputs);
          }
        } catch (const Interrupted&) {
          stopped = true;
        }
      }
      CHECK(scope.stopped());
    }
  }
}

}  // namespace

int main() {
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    for (const std::string& isa : isas()) {
      set_isa(isa);
      for (const bool noise : {false, true}) same_bits(noise);
    }
    set_isa("reference");
    same_bits(false);
    for (const char* isa : {"reference", "baseline"}) {
      set_isa(isa);
      stopped_calls(1, false);
      stopped_calls(50, true);
    }
    set_isa(isas().front());
    stopped_calls(1, true);
    stopped_calls(50, false);
    stopped_calls(1, false, true);
    stopped_calls(50, true, true);
  }
  for (const std::string& isa : isas()) {
    set_isa(isa);
    stopped_members_of_a_team();
  }
  return check::report();
}
