#include "peephole/config.hpp"

#include <stdexcept>

#include "base/errors.hpp"
#include "base/names.hpp"

namespace peephole {
namespace {

constexpr Name<Peephole> kPeepholes[] = {
    {Peephole::diagonal, "diagonal"}, {Peephole::dense, "dense"}, {Peephole::none, "none"}};
constexpr Name<OutputPeephole> kOutputPeepholes[] = {{OutputPeephole::previous, "previous"},
                                                     {OutputPeephole::current, "current"}};
constexpr Name<HeadActivation> kHeadActivations[] = {{HeadActivation::identity, "identity"},
                                                     {HeadActivation::sigmoid, "sigmoid"},
                                                     {HeadActivation::tanh, "tanh"},
                                                     {HeadActivation::softmax, "softmax"}};
constexpr Name<Readout> kReadouts[] = {{Readout::all, "all"},
                                       {Readout::last, "last"},
                                       {Readout::mean, "mean"},
                                       {Readout::max, "max"}};

constexpr Gate kAllGates[] = {Gate::input, Gate::forget, Gate::cell, Gate::output};
constexpr char kGateLetters[] = "ifgo";

/// So that the largest product, 4H * 2H of a bidirectional stack, stays inside Index (2^59).
constexpr Index kLargestSize = (Index{1} << 28) - 1;
/// 2^46 bytes of double: what a 47-bit address space could just hold.
constexpr Index kMostParameters = Index{1} << 43;

void validate_size(const std::string& argument, Index size) {
  if (size < 1 || size > kLargestSize) {
    refuse(argument, "an integer in 1.." + std::to_string(kLargestSize), std::to_string(size));
  }
}

void validate_probability(const std::string& argument, double probability) {
  if (!(probability >= 0 && probability < 1)) {
    refuse(argument, "a probability in [0, 1)", std::to_string(probability));
  }
}

void validate_total(const std::string& argument, const std::vector<ParameterSpec>& specs) {
  Index total = 0;
  for (const ParameterSpec& spec : specs) {
    total += spec.size();
    if (total > kMostParameters) {
      refuse(argument, "at most " + std::to_string(kMostParameters) + " parameters in all",
             spec.name + " with " + shape_text({spec.rows, spec.columns}));
    }
  }
}

}  // namespace

Index LSTMConfig::layer_input_size(Index layer) const noexcept {
  return layer == 0 ? input_size : directions() * hidden_sizes[static_cast<std::size_t>(layer - 1)];
}

Index LSTMConfig::output_size() const noexcept { return directions() * hidden_sizes.back(); }

void validate(const LSTMConfig& config) {
  validate_size("input_size", config.input_size);
  if (config.hidden_sizes.empty()) refuse("hidden_size", "at least one layer", "none");
  for (Index size : config.hidden_sizes) validate_size("hidden_size", size);
  if (!config.activations.empty() && config.activations.size() != config.hidden_sizes.size()) {
    refuse("activations",
           "one mapping per layer (" + std::to_string(config.hidden_sizes.size()) + ")",
           std::to_string(config.activations.size()));
  }
  validate_probability("dropout", config.dropout);
  validate_probability("recurrent_dropout", config.recurrent_dropout);
  validate_probability("zoneout", config.zoneout);
  validate_total("hidden_size", parameter_specs(config));
}

void validate(const NetworkConfig& config) {
  validate(config.lstm);
  validate_size("output_size", config.output_size);
  validate_total("output_size", parameter_specs(config));
}

std::vector<ParameterSpec> parameter_specs(const LSTMConfig& config) {
  std::vector<ParameterSpec> specs;
  for (Index layer = 0; layer < config.layers(); ++layer) {
    const Index I = config.layer_input_size(layer);
    const Index H = config.hidden_sizes[static_cast<std::size_t>(layer)];
    for (Index direction = 0; direction < config.directions(); ++direction) {
      const std::string suffix = "_l" + std::to_string(layer) + (direction == 1 ? "_reverse" : "");
      specs.push_back({"weight_ih" + suffix, kGates * H, I});
      specs.push_back({"weight_hh" + suffix, kGates * H, H});
      if (config.peephole == Peephole::diagonal) {
        specs.push_back({"weight_ch" + suffix, kGates, H});
      } else if (config.peephole == Peephole::dense) {
        specs.push_back({"weight_ch" + suffix, kGates * H, H});
      }
      if (config.bias) specs.push_back({"bias" + suffix, kGates * H, 0});
    }
  }
  return specs;
}

std::vector<ParameterSpec> parameter_specs(const NetworkConfig& config) {
  std::vector<ParameterSpec> specs = parameter_specs(config.lstm);
  specs.push_back({"head.weight", config.output_size, config.lstm.output_size()});
  specs.push_back({"head.bias", config.output_size, 0});
  return specs;
}

const char* to_string(Peephole peephole) noexcept { return name_of(kPeepholes, peephole); }
const char* to_string(OutputPeephole value) noexcept { return name_of(kOutputPeepholes, value); }
const char* to_string(HeadActivation head) noexcept { return name_of(kHeadActivations, head); }
const char* to_string(Readout readout) noexcept { return name_of(kReadouts, readout); }

std::string to_string(GateSet gates) {
  std::string letters;
  for (Gate gate : kAllGates) {
    if (gates.contains(gate)) letters += kGateLetters[index(gate)];
  }
  return letters;
}

Peephole parse_peephole(const std::string& name) {
  return parse_name(kPeepholes, "peephole", name);
}
OutputPeephole parse_output_peephole(const std::string& name) {
  return parse_name(kOutputPeepholes, "output_peephole", name);
}
HeadActivation parse_head_activation(const std::string& name) {
  return parse_name(kHeadActivations, "head", name);
}
Readout parse_readout(const std::string& name) { return parse_name(kReadouts, "readout", name); }

GateSet parse_gates(const std::string& letters) {
  GateSet gates;
  for (char letter : letters) {
    const std::size_t found = std::string(kGateLetters).find(letter);
    if (letter == '\0' || found == std::string::npos || gates.contains(kAllGates[found])) {
      refuse("peephole_gates", "each of the letters i, f, g, o at most once", '"' + letters + '"');
    }
    gates = gates.with(kAllGates[found]);
  }
  return gates;
}

}  // namespace peephole
