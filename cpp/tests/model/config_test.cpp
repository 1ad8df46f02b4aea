#include "peephole/config.hpp"

#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "peephole/options.hpp"
#include "support/check.hpp"

using namespace peephole;

namespace {

LSTMConfig stack(Index inputs, std::vector<Index> hidden_sizes) {
  LSTMConfig config;
  config.input_size = inputs;
  config.hidden_sizes = std::move(hidden_sizes);
  return config;
}

void check_spec(const ParameterSpec& spec, const std::string& name, Index rows, Index columns) {
  CHECK(spec.name == name);
  CHECK(spec.rows == rows);
  CHECK(spec.columns == columns);
  CHECK(spec.size() == rows * (columns == 0 ? 1 : columns));
}

void parameters_of_each_kind() {
  LSTMConfig config = stack(5, {3});
  const auto diagonal = parameter_specs(config);
  CHECK(diagonal.size() == 4);
  check_spec(diagonal[0], "weight_ih_l0", 12, 5);
  check_spec(diagonal[1], "weight_hh_l0", 12, 3);
  check_spec(diagonal[2], "weight_ch_l0", 4, 3);
  check_spec(diagonal[3], "bias_l0", 12, 0);

  config.peephole = Peephole::dense;
  check_spec(parameter_specs(config)[2], "weight_ch_l0", 12, 3);

  config.peephole = Peephole::none;
  config.bias = false;
  CHECK(parameter_specs(config).size() == 2);

  config.projection_size = 2;
  const auto projected = parameter_specs(config);
  CHECK(projected.size() == 3);
  check_spec(projected[1], "weight_hh_l0", 12, 2);
  check_spec(projected[2], "weight_hr_l0", 2, 3);
}

void parameters_of_a_bidirectional_stack() {
  NetworkConfig network;
  network.lstm = stack(5, {3, 2});
  network.lstm.bidirectional = true;
  network.output_size = 7;
  const auto specs = parameter_specs(network);
  CHECK(specs.size() == 18);
  check_spec(specs[4], "weight_ih_l0_reverse", 12, 5);
  check_spec(specs[8], "weight_ih_l1", 8, 6);
  check_spec(specs[15], "bias_l1_reverse", 8, 0);
  check_spec(specs[16], "head.weight", 7, 4);
  check_spec(specs[17], "head.bias", 7, 0);
  CHECK(network.lstm.layers() == 2);
  CHECK(network.lstm.directions() == 2);
  CHECK(network.lstm.layer_input_size(1) == 6);
  CHECK(network.lstm.output_size() == 4);
}

void gains() {
  LSTMConfig config = stack(5, {3});
  config.layer_norm = LayerNorm::gates;
  std::vector<ParameterSpec> specs = parameter_specs(config);
  CHECK(specs.size() == 7);
  check_spec(specs[4], "gain_l0", 12, 0);
  check_spec(specs[5], "gain_c_l0", 3, 0);
  check_spec(specs[6], "shift_c_l0", 3, 0);
  config.layer_norm = LayerNorm::products;
  config.layer_norm_cell = LayerNormCell::none;
  specs = parameter_specs(config);
  CHECK(specs.size() == 6);
  check_spec(specs[4], "gain_ih_l0", 12, 0);
  check_spec(specs[5], "gain_hh_l0", 12, 0);
  config.layer_norm.reset();
  CHECK(parameter_specs(config).size() == 4);
}

void validation() {
  validate(stack(1, {1}));
  const Index huge = std::numeric_limits<Index>::max();
  CHECK_THROWS(validate(stack(0, {3})), "input_size: expected");
  CHECK_THROWS(validate(stack(-1, {3})), "got -1");
  CHECK_THROWS(validate(stack(huge, {3})), "input_size: expected");
  CHECK_THROWS(validate(stack(2, {})), "hidden_size: expected at least one layer");
  CHECK_THROWS(validate(stack(2, {3, 0})), "hidden_size: expected");
  CHECK_THROWS(validate(stack(2, {huge / 4})), "hidden_size: expected");
  CHECK_THROWS(validate(stack(2, {Index{1} << 27})), "parameters in all");

  const char* const names[] = {"dropout: expected", "recurrent_dropout: expected",
                               "zoneout: expected"};
  double LSTMConfig::* const rates[] = {&LSTMConfig::dropout, &LSTMConfig::recurrent_dropout,
                                        &LSTMConfig::zoneout};
  for (int k = 0; k < 3; ++k) {
    LSTMConfig config = stack(2, {3});
    CHECK(!config.regularised());
    config.*rates[k] = 0.5;
    validate(config);
    CHECK(config.regularised());
    for (double wrong : {-0.1, 1.0, std::numeric_limits<double>::quiet_NaN()}) {
      config.*rates[k] = wrong;
      CHECK_THROWS(validate(config), names[k]);
    }
  }

  const std::pair<const char*, std::optional<double> LSTMConfig::*> bounds[] = {
      {"cell_clip: expected", &LSTMConfig::cell_clip},
      {"preactivation_clip: expected", &LSTMConfig::preactivation_clip}};
  for (const auto& [complaint, member] : bounds) {
    LSTMConfig config = stack(2, {3});
    config.*member = 1e-3;
    validate(config);
    for (double wrong : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN(),
                         std::numeric_limits<double>::infinity()}) {
      config.*member = wrong;
      CHECK_THROWS(validate(config), complaint);
    }
  }

  LSTMConfig norm = stack(2, {3});
  norm.layer_norm = LayerNorm::gates;
  for (double epsilon : {1e-30, 1e-5, 1.0}) {
    norm.layer_norm_epsilon = epsilon;
    validate(norm);
  }
  for (double wrong : {0.0, -1e-5, 1e-31, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    norm.layer_norm_epsilon = wrong;
    CHECK_THROWS(validate(norm), "layer_norm_epsilon: expected a number in 1e-30..1");
  }
  norm.layer_norm = static_cast<LayerNorm>(7);
  norm.layer_norm_epsilon = 1e-5;
  CHECK_THROWS(validate(norm), "layer_norm: expected one of gates, products");
  norm.layer_norm.reset();
  norm.layer_norm_cell = static_cast<LayerNormCell>(7);
  CHECK_THROWS(validate(norm), "layer_norm_cell: expected one of state, output, none");

  LSTMConfig activations = stack(2, {3, 3});
  activations.activations.resize(1);
  CHECK_THROWS(validate(activations), "activations: expected");
  activations.activations.resize(2);
  validate(activations);

  NetworkConfig network;
  network.lstm = stack(2, {3});
  network.output_size = 0;
  CHECK_THROWS(validate(network), "output_size: expected");
  network.output_size = 1;
  validate(network);
  network.lstm.input_size = 0;
  CHECK_THROWS(validate(network), "input_size: expected");
}

void gate_sets() {
  CHECK(GateSet().empty());
  CHECK(to_string(GateSet()).empty());
  CHECK(to_string(GateSet::all()) == "ifgo");
  CHECK(to_string(parse_gates("og")) == "go");
  CHECK(parse_gates("").empty());
  const GateSet forget = GateSet().with(Gate::forget);
  CHECK(forget.contains(Gate::forget));
  CHECK(!forget.contains(Gate::input));
  for (const char* wrong : {"x", "ii", "if go", "IFGO"}) {
    CHECK_THROWS(parse_gates(wrong), "peephole_gates: expected");
  }
  CHECK_THROWS(parse_gates(std::string(1, '\0')), "peephole_gates: expected");
}

/// Each value by its name, and no other name.
template <class Enum>
void check_names(const std::string& argument, const std::set<std::string>& expected) {
  std::set<std::string> found;
  for (const Name<Enum>& name : names<Enum>()) {
    found.insert(name.text);
    CHECK(std::string(to_string(name.value)) == name.text);
    CHECK(parse<Enum>(argument, name.text) == name.value);
  }
  CHECK(found == expected);
  for (const char* wrong : {"", "Dense", "sigmoid ", "?"}) {
    CHECK_THROWS(parse<Enum>(argument, wrong), (argument + ": expected one of ").c_str());
    CHECK_THROWS(parse<Enum>(argument, wrong), *expected.rbegin());
  }
}

void all_names() {
  check_names<Peephole>("peephole", {"diagonal", "dense", "none"});
  check_names<OutputPeephole>("output_peephole", {"previous", "current"});
  check_names<InitialState>("initial_state", {"zeros", "learned"});
  check_names<HeadActivation>("head", {"identity", "sigmoid", "tanh", "softmax"});
  check_names<Readout>("readout", {"all", "last", "mean", "max"});
  check_names<Activation>("activations", {"sigmoid", "tanh", "identity", "relu", "softsign",
                                          "softplus", "hard_sigmoid", "one"});
  CHECK_THROWS(parse_activation("gelu"), "activations: expected one of sigmoid, tanh");
}

/// Sets a member to a value that is not its default.
void change(bool& value) { value = !value; }
void change(double& value) { value = 0.5; }
void change(std::optional<Index>& value) { value = 1; }
void change(std::optional<double>& value) { value = 0.5; }
void change(GateSet& gates) { gates = GateSet().with(Gate::forget); }
void change(std::vector<Activations>& layers) {
  layers.resize(1);
  layers[0].f = Activation::one;
}
template <class Enum>
std::enable_if_t<std::is_enum_v<Enum>> change(Enum& value) {
  const Span<const Name<Enum>> all = names<Enum>();
  value = all[0].value == value ? all[1].value : all[0].value;
}

template <class Enum>
std::enable_if_t<std::is_enum_v<Enum>> change(std::optional<Enum>& value) {
  value = names<Enum>()[0].value;
}

/// Each row has a name and a member of its own, and its default is allowed.
void the_list_of_options() {
  NetworkConfig config;
  config.lstm.hidden_sizes = {3};
  std::set<std::string> options;
  std::set<const void*> members;
  const auto add = [&](const auto& row, const auto& value) {
    options.insert(row.name);
    members.insert(&value);
  };
  for_each_size(config, add);
  CHECK(options == (std::set<std::string>{"input_size", "hidden_size", "output_size"}));
  for_each_option(config, add);
  CHECK(members.size() == options.size());
  CHECK(options.count("peephole") == 1 && options.count("readout") == 1);
  for_each_option(config, [&](const auto& row, auto& value) {
    const std::string name = row.name;
    if (name == "projection_clip") config.lstm.projection_size = 1;
    if (name == "input_activation") config.input_dense_size = 1;
    change(value);
    validate(config);
    value = row.default_value();
    validate(config);
    config.lstm.projection_size.reset();
    config.input_dense_size.reset();
  });
  std::size_t of_lstm = 0;
  for_each_option(config.lstm, [&](const auto&, const auto&) { ++of_lstm; });
  CHECK(of_lstm + 4 + 3 == options.size());  // and four of networks, and three sizes
}

void dense_input() {
  NetworkConfig config;
  config.lstm = stack(5, {3});
  config.output_size = 2;
  CHECK(config.stack().input_size == 5);
  const std::size_t without = parameter_specs(config).size();
  config.input_dense_size = 7;
  config.input_activation = Activation::relu;
  validate(config);
  CHECK(config.stack().input_size == 7 && config.stack().hidden_sizes == config.lstm.hidden_sizes);
  const auto specs = parameter_specs(config);
  CHECK(specs.size() == without + 2);
  check_spec(specs[0], "weight_ih_l0", 12, 7);
  check_spec(specs[without - 2], "input.weight", 7, 5);
  check_spec(specs[without - 1], "input.bias", 7, 0);
  check_spec(specs[without], "head.weight", 2, 3);

  for (const Index size : {Index{0}, Index{-1}, Index{1} << 28}) {
    config.input_dense_size = size;
    CHECK_THROWS(validate(config), "input_dense_size: expected an integer in 1..");
  }
  config.input_dense_size.reset();
  CHECK_THROWS(validate(config), "input_activation: expected identity without input_dense_size");
  config.input_activation = static_cast<Activation>(99);
  CHECK_THROWS(validate(config), "input_activation: expected one of sigmoid");
}

void projection() {
  LSTMConfig config = stack(2, {4, 5});
  config.projection_size = 3;
  config.projection_clip = 0.5;
  validate(config);
  CHECK(config.recurrent_size(0) == 3 && config.recurrent_size(1) == 3);
  const auto refused = [&](std::optional<Index> size, std::optional<double> clip,
                           const char* message) {
    config.projection_size = size;
    config.projection_clip = clip;
    CHECK_THROWS(validate(config), message);
  };
  refused(0, std::nullopt, "projection_size: ");
  refused(-1, std::nullopt, "projection_size: ");
  refused(4, std::nullopt, "projection_size: ");
  refused(std::nullopt, 1.0, "projection_clip: ");
  for (const double clip : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()})
    refused(3, clip, "projection_clip: ");
}

void values_outside_an_enumeration() {
  LSTMConfig config = stack(2, {3});
  config.peephole = static_cast<Peephole>(7);
  CHECK_THROWS(validate(config), "peephole: expected one of diagonal, dense, none, got 7");
  config = stack(2, {3});
  config.activations.resize(1);
  config.activations[0].o = static_cast<Activation>(-1);
  CHECK_THROWS(validate(config), "activations: expected one of sigmoid");
  NetworkConfig network;
  network.lstm = stack(2, {3});
  network.readout = static_cast<Readout>(4);
  CHECK_THROWS(validate(network), "readout: expected one of all, last, mean, max, got 4");
}

void gates_of_activations() {
  Activations activations;
  activations.f = Activation::one;
  CHECK(activations.of(Gate::input) == Activation::sigmoid);
  CHECK(activations.of(Gate::forget) == Activation::one);
  CHECK(activations.of(Gate::cell) == Activation::tanh);
  CHECK(activations.of(Gate::output) == Activation::sigmoid);
}

}  // namespace

int main() {
  parameters_of_each_kind();
  parameters_of_a_bidirectional_stack();
  gains();
  validation();
  dense_input();
  projection();
  gate_sets();
  all_names();
  the_list_of_options();
  values_outside_an_enumeration();
  gates_of_activations();
  return check::report();
}
