// Recurrent dropout and zoneout with the kernels: against the reference path, for all options, and
// the bits, which may not depend on how a batch is divided.

#include "compute/against_reference.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

/// zoneout, recurrent dropout, or both; the other options at random.
LSTMConfig random_config(Random& random, Index hidden_size) {
  LSTMConfig config;
  config.input_size = pick(random, 1, 12);
  config.hidden_sizes = std::vector<Index>{hidden_size};
  if (pick(random, 0, 3) == 0) config.hidden_sizes.push_back(pick(random, 1, 20));
  config.peephole = static_cast<Peephole>(pick(random, 0, 2));
  if (pick(random, 0, 1) == 0)
    config.peephole_gates = parse_gates(pick(random, 0, 1) ? "ifo" : "go");
  config.output_peephole = static_cast<OutputPeephole>(pick(random, 0, 1));
  config.coupled_input_forget = pick(random, 0, 2) == 0;
  config.bidirectional = pick(random, 0, 1) == 0;
  if (pick(random, 0, 1) == 0) {
    config.activations.resize(config.hidden_sizes.size());
    Activations& a = config.activations[0];
    a.g = Activation::softsign;
    a.c = Activation::identity;
    a.o = Activation::hard_sigmoid;
  }
  const Index smallest = std::min(hidden_size, config.hidden_sizes.back());
  if (smallest > 1 && pick(random, 0, 2) == 0) {
    config.projection_size = pick(random, 1, smallest - 1);
    if (pick(random, 0, 1) == 0) config.projection_clip = 0.2;
  }
  const Index noise = pick(random, 1, 3);
  if (noise & 1) config.zoneout = 0.3;
  if (noise & 2) config.recurrent_dropout = 0.4;
  return config;
}

template <class T>
void check_values() {
  Random random(3);
  for (int trial = 0; trial < 60; ++trial) {
    const Index units = pick(random, 1, 40), batch = trial % 3 == 0 ? 1 : pick(random, 2, 14);
    check_against_reference(
        Case<T>(random_config(random, units), batch, pick(random, 1, 9), random));
  }
  for (Peephole peephole : {Peephole::none, Peephole::diagonal, Peephole::dense}) {
    LSTMConfig config = random_config(random, 96);  // whose backward pass has several chunks
    config.peephole = peephole;
    config.zoneout = 0.2, config.recurrent_dropout = 0.1;
    check_against_reference(Case<T>(config, 7, 230, random));
  }
}

LSTMConfig config_for_bits(Random& random) {
  LSTMConfig config = random_config(random, pick(random, 4, 40));
  config.zoneout = 0.25;
  return config;
}

}  // namespace

int main() {
  const std::string before = isa();
  check_values<float>();
  check_values<double>();
  check_bits<float>(30, config_for_bits);
  check_bits<double>(30, config_for_bits);
  set_isa(before);
  return check::report();
}
