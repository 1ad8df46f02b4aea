// Layer normalisation with the kernels: against the reference path, for all options, and the bits,
// which may not depend on how a batch is divided.

#include "compute/against_reference.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

/// One of the forms; the other options at random.
LSTMConfig random_config(Random& random, Index hidden_size) {
  LSTMConfig config;
  config.input_size = pick(random, 1, 12);
  config.hidden_sizes = std::vector<Index>{hidden_size};
  if (pick(random, 0, 3) == 0) config.hidden_sizes.push_back(pick(random, 1, 20));
  config.peephole = pick(random, 0, 2) == 0 ? Peephole::none : Peephole::diagonal;
  if (pick(random, 0, 1) == 0)
    config.peephole_gates = parse_gates(pick(random, 0, 1) ? "ifo" : "go");
  config.output_peephole = static_cast<OutputPeephole>(pick(random, 0, 1));
  config.coupled_input_forget = pick(random, 0, 2) == 0;
  config.bidirectional = pick(random, 0, 1) == 0;
  config.bias = pick(random, 0, 2) != 0;
  if (pick(random, 0, 1) == 0) {
    config.activations.resize(config.hidden_sizes.size());
    Activations& a = config.activations[0];
    a.f = Activation::one;
    a.g = Activation::softplus;
    a.c = Activation::softsign;
    a.o = Activation::hard_sigmoid;
  }
  config.layer_norm = static_cast<LayerNorm>(pick(random, 0, 1));
  config.layer_norm_cell = static_cast<LayerNormCell>(pick(random, 0, 2));
  // Around equal values a small one makes rounding errors large.
  config.layer_norm_epsilon = pick(random, 0, 1) == 0 ? 0.1 : 0.01;
  if (config.hidden_sizes.size() == 1 && hidden_size > 2 && pick(random, 0, 7) == 0) {
    config.projection_size = 2;
  }
  return config;
}

/// A gain of all ones, and one of zeros, which loses what was normalised.
template <class T>
void set_gains(Case<T>& of, T value) {
  Parameters<T>& parameters = of.lstm.parameters();
  for (std::size_t i = 0; i < parameters.specs().size(); ++i) {
    const ParameterSpec& spec = parameters.specs()[i];
    if (spec.name.rfind("gain", 0) != 0) continue;
    parameters.assign(static_cast<Index>(i), std::vector<T>(at(spec.size()), value).data());
  }
}

template <class T>
void check_values() {
  Random random(3);
  for (int trial = 0; trial < 80; ++trial) {
    const Index units = trial % 8 == 0 ? 1 : pick(random, 1, 70);
    const Index batch = trial % 3 == 0 ? 1 : pick(random, 2, 14);
    Case<T> of(random_config(random, units), batch, pick(random, 1, 9), random);
    if (trial % 5 == 0) set_gains(of, static_cast<T>(trial % 10 == 0));
    check_against_reference(of);
  }
  for (LayerNorm form : {LayerNorm::gates, LayerNorm::products}) {
    for (Index units : {96, 50}) {  // whose backward pass has several chunks, in panels and not
      LSTMConfig config = random_config(random, units);
      config.input_size = 200;
      config.layer_norm = form;
      check_against_reference(Case<T>(config, 7, 100, random));
    }
    LSTMConfig config = random_config(random, 300);  // whose rows are taken in blocks
    config.hidden_sizes = std::vector<Index>{300};
    config.layer_norm = form;
    check_against_reference(Case<T>(config, 60, 2, random));
  }
}

LSTMConfig config_for_bits(Random& random) { return random_config(random, pick(random, 4, 40)); }

}  // namespace

int main() {
  const std::string before = isa();
  check_values<float>();
  check_values<double>();
  check_bits<float>(40, config_for_bits);
  check_bits<double>(40, config_for_bits);
  set_isa(before);
  return check::report();
}
