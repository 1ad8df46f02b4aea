#include "peephole/config.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>

#include "base/errors.hpp"
#include "base/exact.hpp"
#include "peephole/options.hpp"

namespace peephole {

namespace {

constexpr Gate kAllGates[] = {Gate::input, Gate::forget, Gate::cell, Gate::output};
constexpr char kGateLetters[] = "ifgo";

/// So that 4H rows and 2H columns, of a bidirectional stack, stay inside an Index of 32 bits too.
constexpr Index kLargestSize = (Index{1} << 28) - 1;
/// 2^46 bytes of double, which a 47-bit address space could just hold; or what Index can count.
constexpr Index kMostParameters = static_cast<Index>(std::min<std::uint64_t>(
    std::uint64_t{1} << 43, std::numeric_limits<Index>::max() / sizeof(double)));
static_assert(kLargestSize <= std::numeric_limits<Index>::max() / (2 * kGates));

void check_option(const std::string& name, Index size) {
  if (size < 1 || size > kLargestSize) {
    refuse(name, "an integer in 1.." + std::to_string(kLargestSize), std::to_string(size));
  }
}

void check_option(const std::string& name, const std::vector<Index>& sizes) {
  if (sizes.empty()) refuse(name, "at least one layer", "none");
  for (const Index size : sizes) check_option(name, size);
}

std::string real_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

/// So that its square root, and the inverse of that, are normal numbers of float too.
constexpr double kSmallestEpsilon = 1e-30;

void check_option(const std::string& name, double probability) {
  if (name == "layer_norm_epsilon") {
    if (probability >= kSmallestEpsilon && probability <= 1) return;
    refuse(name, "a number in 1e-30..1", real_text(probability));
  }
  if (!(probability >= 0 && probability < 1)) {
    refuse(name, "a probability in [0, 1)", std::to_string(probability));
  }
}

void check_option(const std::string& name, const std::optional<double>& bound) {
  if (bound && !(*bound > 0 && std::isfinite(*bound))) {
    refuse(name, "none or a finite number above 0", std::to_string(*bound));
  }
}

template <class Enum>
std::enable_if_t<std::is_enum_v<Enum>> check_option(const std::string& name, Enum value) {
  for (const Name<Enum>& known : names<Enum>()) {
    if (known.value == value) return;
  }
  refuse(name, "one of " + names_text<Enum>(), std::to_string(static_cast<long long>(value)));
}

template <class Value>
void check_option(const std::string& name, const std::optional<Value>& value) {
  if (value) check_option(name, *value);
}

void check_option(const std::string& name, const std::vector<Activations>& layers) {
  for (const Activations& layer : layers) {
    for (const char key : Activations::kKeys) check_option(name, *layer.find(key));
  }
}

void check_option(const std::string&, bool) {}
void check_option(const std::string&, GateSet) {}

template <class Config>
void check_options(const Config& config) {
  const auto check = [](const auto& row, const auto& value) { check_option(row.name, value); };
  for_each_size(config, check);
  for_each_option(config, check);
}

void check_layers(const LSTMConfig& config) {
  if (!config.activations.empty() && config.activations.size() != config.hidden_sizes.size()) {
    refuse("activations",
           "one mapping per layer (" + std::to_string(config.hidden_sizes.size()) + ")",
           std::to_string(config.activations.size()));
  }
}

void check_projection(const LSTMConfig& config) {
  if (config.projection_clip && !config.projection_size) {
    refuse("projection_clip", "none without projection_size",
           std::to_string(*config.projection_clip));
  }
  for (const Index H : config.hidden_sizes) {
    if (config.projection_size && *config.projection_size >= H) {
      refuse("projection_size", "less than each hidden_size, " + std::to_string(H),
             std::to_string(*config.projection_size));
    }
  }
}

void check_quantization(const LSTMConfig& config) {
  if (!config.quantization || !config.layer_norm) return;
  // Where layers with layer normalisation have no kernels: see backend_for().
  const bool zones = config.zoneout > 0, clips = config.cell_clip || config.preactivation_clip;
  if (config.peephole == Peephole::dense || config.projection_size || clips || zones) {
    refuse("quantization",
           "none with layer_norm and dense peepholes, a projection, clips or zoneout",
           to_string(*config.quantization));
  }
}

void check_input_dense(const NetworkConfig& config) {
  if (!config.input_dense_size && config.input_activation != Activation::identity) {
    refuse("input_activation", "identity without input_dense_size",
           to_string(config.input_activation));
  }
}

/// That all parameters together can be counted and addressed; no product overflows here.
void check_total(const std::string& argument, const std::vector<ParameterSpec>& specs) {
  Index left = kMostParameters;
  for (const ParameterSpec& spec : specs) {
    const Index columns = std::max<Index>(spec.columns, 1);
    if (spec.rows > left / columns) {
      refuse(argument, "at most " + std::to_string(kMostParameters) + " parameters in all",
             spec.name + " with " + shape_text({spec.rows, columns}));
    }
    left -= spec.rows * columns;
  }
}

/// A matrix, and where its values are integers the scales of its rows.
void append_matrix(const std::string& name, Index rows, Index columns, NumberType type,
                   std::vector<ParameterSpec>& specs) {
  specs.push_back({name, rows, columns, type});
  if (type != NumberType::real) specs.push_back({name + "_scale", rows, 0});
}

/// The parameters of layer normalisation.
void append_gains(const LSTMConfig& config, const std::string& suffix, Index H,
                  std::vector<ParameterSpec>& specs) {
  if (!config.layer_norm) return;
  if (config.layer_norm == LayerNorm::gates) {
    specs.push_back({"gain" + suffix, kGates * H, 0});
  } else {
    specs.push_back({"gain_ih" + suffix, kGates * H, 0});
    specs.push_back({"gain_hh" + suffix, kGates * H, 0});
  }
  if (config.layer_norm_cell == LayerNormCell::none) return;
  specs.push_back({"gain_c" + suffix, H, 0});
  specs.push_back({"shift_c" + suffix, H, 0});
}

}  // namespace

Index LSTMConfig::layer_input_size(Index layer) const noexcept {
  return layer == 0 ? input_size : directions() * recurrent_size(layer - 1);
}

Index LSTMConfig::recurrent_size(Index layer) const noexcept {
  return projection_size.value_or(hidden_sizes[static_cast<std::size_t>(layer)]);
}

Index LSTMConfig::output_size() const noexcept {
  return directions() * recurrent_size(layers() - 1);
}

NumberType LSTMConfig::matrix_type() const noexcept {
  if (!quantization) return NumberType::real;
  return *quantization == Quantization::int16 ? NumberType::int16 : NumberType::int8;
}

bool LSTMConfig::quantizes_input(Index layer) const noexcept {
  return quantization && (layer > 0 || input_size > kFloatInputs);
}

LSTMConfig NetworkConfig::stack() const {
  LSTMConfig layers = lstm;
  layers.input_size = input_dense_size.value_or(lstm.input_size);
  return layers;
}

void validate(const LSTMConfig& config) {
  check_options(config);
  check_layers(config);
  check_projection(config);
  check_quantization(config);
  check_total("hidden_size", parameter_specs(config));
}

void validate(const NetworkConfig& config) {
  check_options(config);
  check_layers(config.lstm);
  check_projection(config.lstm);
  check_quantization(config.lstm);
  check_input_dense(config);
  check_total("hidden_size", parameter_specs(config.stack()));
  check_total("output_size", parameter_specs(config));
}

std::vector<ParameterSpec> parameter_specs(const LSTMConfig& config) {
  std::vector<ParameterSpec> specs;
  for (Index layer = 0; layer < config.layers(); ++layer) {
    const Index I = config.layer_input_size(layer);
    const Index H = config.hidden_sizes[static_cast<std::size_t>(layer)];
    const Index P = config.recurrent_size(layer);
    for (Index direction = 0; direction < config.directions(); ++direction) {
      const std::string suffix = "_l" + std::to_string(layer) + (direction == 1 ? "_reverse" : "");
      const NumberType type = config.matrix_type();
      append_matrix("weight_ih" + suffix, kGates * H, I,
                    config.quantizes_input(layer) ? type : NumberType::real, specs);
      append_matrix("weight_hh" + suffix, kGates * H, P, type, specs);
      if (config.peephole == Peephole::diagonal) {
        specs.push_back({"weight_ch" + suffix, kGates, H});
      } else if (config.peephole == Peephole::dense) {
        append_matrix("weight_ch" + suffix, kGates * H, H, type, specs);
      }
      if (config.bias) specs.push_back({"bias" + suffix, kGates * H, 0});
      if (config.projection_size) append_matrix("weight_hr" + suffix, P, H, type, specs);
      if (config.initial_state == InitialState::learned) {
        specs.push_back({"h0" + suffix, P, 0});
        specs.push_back({"c0" + suffix, H, 0});
      }
      append_gains(config, suffix, H, specs);
    }
  }
  return specs;
}

std::vector<ParameterSpec> parameter_specs(const NetworkConfig& config) {
  std::vector<ParameterSpec> specs = parameter_specs(config.stack());
  if (config.input_dense_size) {
    specs.push_back({"input.weight", *config.input_dense_size, config.lstm.input_size});
    specs.push_back({"input.bias", *config.input_dense_size, 0});
  }
  specs.push_back({"head.weight", config.output_size, config.lstm.output_size()});
  specs.push_back({"head.bias", config.output_size, 0});
  return specs;
}

std::string to_string(GateSet gates) {
  std::string letters;
  for (Gate gate : kAllGates) {
    if (gates.contains(gate)) letters += kGateLetters[index(gate)];
  }
  return letters;
}

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
