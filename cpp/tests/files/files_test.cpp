#include "peephole/files.hpp"

#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "files/hostile_files.hpp"
#include "support/arrays.hpp"
#include "support/check.hpp"
#include "support/folder.hpp"

using namespace peephole;
using namespace peephole::test;
namespace fs = std::filesystem;

namespace {

template <class Exception, class F>
void check_throws(F&& f, const std::string& fragment) {
  const std::string complaint = check::complaint<Exception>(f, fragment);
  check::note(complaint.empty(), __FILE__, __LINE__, complaint);
}

const LSTMConfig& lstm_of(const LSTMConfig& config) { return config; }
const LSTMConfig& lstm_of(const NetworkConfig& config) { return config.lstm; }

/// The outputs of both for the same steps, and all parameters and masks, are the same bits.
template <class T, template <class> class Model>
void check_same(const Model<T>& loaded, const Model<T>& saved) {
  const Parameters<T>&a = loaded.parameters(), &b = saved.parameters();
  CHECK(a.specs().size() == b.specs().size() && a.flat_size() == b.flat_size());
  for (Index i = 0; i < static_cast<Index>(a.specs().size()); ++i) {
    const std::size_t size = at(a.specs()[at(i)].size());
    CHECK(a.specs()[at(i)].name == b.specs()[at(i)].name);
    CHECK(std::memcmp(a.data(i), b.data(i), size * sizeof(T)) == 0);
    CHECK(a.masked(i) == b.masked(i) &&
          (!a.masked(i) || std::memcmp(a.mask(i), b.mask(i), size) == 0));
  }
  const LSTMConfig& config = lstm_of(saved.config());
  const Index features = saved.parameters().find("head.bias") >= 0 ? 2 : config.output_size();
  Random random(1);
  const std::vector<T> x = random.values<T>(3 * 5 * config.input_size);
  std::vector<T> y(at(3 * 5 * features)), expected(y.size());
  const auto run = [&](const Model<T>& model, std::vector<T>& out) {
    model.infer({contiguous(x.data(), 3, 5, config.input_size)},
                {contiguous(out.data(), 3, 5, features)});
  };
  run(loaded, y);
  run(saved, expected);
  CHECK(std::memcmp(y.data(), expected.data(), y.size() * sizeof(T)) == 0);
}

/// Through memory and, if masked, through a file too, whose way to the disk takes its time.
template <class T, template <class> class Model, class Config>
void check_round_trip(const Config& config, const fs::path& path, bool masked = false) {
  Model<T> model(config, uninitialised);
  Random random(0);
  randomise(model.parameters(), random);
  if (masked) {
    for (const Index i : {0, 1}) thin_out(model.parameters(), i, random);
  }
  const std::string bytes = serialise(model);
  if (masked) {
    save(model, path);
    CHECK(read(path) == bytes);
    check_same<T, Model>(load<Model<T>>(path), model);
    check_same<T, Model>(std::get<Model<T>>(load(path)), model);
  }
  const Model<T> loaded = load<Model<T>>(bytes.data(), bytes.size());
  check_same<T, Model>(loaded, model);
  CHECK(serialise(loaded) == bytes);
}

void check_round_trips(const LSTMConfig& config, const fs::path& path, bool masked = false) {
  NetworkConfig network;
  network.lstm = config;
  network.output_size = 2;
  network.head = HeadActivation::softmax;
  check_round_trip<float, LSTM>(config, path, masked);
  check_round_trip<double, LSTM>(config, path, masked);
  check_round_trip<float, Network>(network, path, masked);
  check_round_trip<double, Network>(network, path, masked);
}

void test_every_option() {
  const Folder folder;
  const fs::path path = folder / "model";
  LSTMConfig config;
  config.input_size = 3;
  config.hidden_sizes = {4, 2};
  check_round_trips(config, path);
  check_round_trips(config, path, true);
  for (const Peephole peephole : {Peephole::none, Peephole::dense}) {
    for (const bool bias : {false, true}) {
      for (const bool bidirectional : {false, true}) {
        LSTMConfig changed = config;
        changed.peephole = peephole;
        changed.bias = bias;
        changed.bidirectional = bidirectional;
        check_round_trips(changed, path);
      }
    }
  }
  LSTMConfig changed = config;
  changed.peephole_gates = GateSet().with(Gate::input).with(Gate::output);
  changed.output_peephole = OutputPeephole::current;
  changed.coupled_input_forget = true;
  changed.initial_state = InitialState::learned;
  changed.cell_clip = 0.1;
  changed.preactivation_clip = 3.0;
  changed.activations.resize(2);
  changed.activations[1] = {Activation::hard_sigmoid, Activation::one, Activation::softsign,
                            Activation::softplus, Activation::identity};
  check_round_trips(changed, path);
  changed.projection_size = 1;
  check_round_trips(changed, path);
  changed.projection_clip = 0.25;
  check_round_trips(changed, path);
  for (const LayerNorm form : {LayerNorm::gates, LayerNorm::products}) {
    for (const LayerNormCell cell :
         {LayerNormCell::state, LayerNormCell::output, LayerNormCell::none}) {
      changed.layer_norm = form;
      changed.layer_norm_cell = cell;
      changed.layer_norm_epsilon = cell == LayerNormCell::none ? 1e-12 : 1e-5;
      check_round_trips(changed, path);
    }
  }
}

/// Files of models without layer normalisation and projection do not mention them: older releases
/// read them.
void test_new_options_are_left_out() {
  NetworkConfig config;
  config.lstm.hidden_sizes = {2};
  const auto mentions = [&](const char* name) {
    return serialise(Network<float>(config, uninitialised)).find(name) != std::string::npos;
  };
  CHECK(!mentions("layer_norm") && !mentions("projection"));
  config.lstm.layer_norm = LayerNorm::gates;
  config.lstm.projection_size = 1;
  CHECK(mentions("layer_norm") && mentions("projection_size") && !mentions("projection_clip"));
}

void test_options_of_the_head() {
  NetworkConfig config;
  config.lstm.hidden_sizes = {2};
  for (const HeadActivation head : {HeadActivation::identity, HeadActivation::sigmoid,
                                    HeadActivation::tanh, HeadActivation::softmax}) {
    for (const Readout readout : {Readout::all, Readout::last, Readout::mean, Readout::max}) {
      config.head = head;
      config.readout = readout;
      const std::string bytes = serialise(Network<float>(config, uninitialised));
      const auto loaded = load<Network<float>>(bytes.data(), bytes.size());
      CHECK(loaded.config().head == head && loaded.config().readout == readout);
    }
  }
}

/// A file that this library has not written: see hostile_files.cpp for its values.
void test_foreign_writer() {
  const std::string bytes = good_file();
  const auto network = load<Network<float>>(bytes.data(), bytes.size());
  const LSTMConfig& lstm = network.config().lstm;
  CHECK(lstm.input_size == 2 && lstm.hidden_sizes == std::vector<Index>{3});
  CHECK(lstm.activations.size() == 1 && lstm.activations[0].f == Activation::sigmoid);
  const Parameters<float>& parameters = network.parameters();
  CHECK(parameters.data(parameters.find("head.bias"))[0] == 0.25f);
  const Index weights = parameters.find("weight_ih_l0");
  for (Index j = 0; j < 24; ++j) {
    CHECK(parameters.data(weights)[j] == (j % 2 == 0 ? 0.25f : 0.0f));
    CHECK(parameters.mask(weights)[j] == (j % 2 == 0));
  }
}

void test_the_stack_of_a_network() {
  NetworkConfig config;
  config.lstm.hidden_sizes = {3};
  const Network<float> network(config, uninitialised);
  const std::string bytes = serialise(*network.lstm());
  const auto lstm = load<LSTM<float>>(bytes.data(), bytes.size());
  CHECK(lstm.parameters().specs().size() == 4 && lstm.parameters().find("head.bias") < 0);
}

void test_any_value() {
  LSTMConfig config;
  config.hidden_sizes = {1};
  LSTM<double> lstm(config, uninitialised);
  using Limits = std::numeric_limits<double>;
  const double odd[] = {Limits::quiet_NaN(), -Limits::infinity(), -0.0, Limits::denorm_min()};
  lstm.parameters().assign(lstm.parameters().find("bias_l0"), odd);
  const std::string bytes = serialise(lstm);
  const auto loaded = load<LSTM<double>>(bytes.data(), bytes.size());
  CHECK(std::memcmp(loaded.parameters().data(3), odd, sizeof odd) == 0);
}

/// A weight that was written where it is masked is 0 in the file.
void test_masked_writes() {
  LSTMConfig config;
  config.hidden_sizes = {1};
  LSTM<float> lstm(config, uninitialised);
  const bool connected[] = {true, false, true, true};
  lstm.parameters().mask(3, connected);
  auto writer = lstm.parameters().write();
  writer.data(3)[1] = 7;
  const std::string bytes = serialise(lstm);
  CHECK(load<LSTM<float>>(bytes.data(), bytes.size()).parameters().data(3)[1] == 0);
}

void test_another_type() {
  const Folder folder;
  const fs::path path = folder / "model";
  LSTMConfig config;
  config.hidden_sizes = {2};
  save(LSTM<double>(config, uninitialised), path);
  check_throws<FileError>([&] { load<LSTM<float>>(path); },
                          "model: expected an LSTM of float32, got an LSTM of float64");
  check_throws<FileError>([&] { load<Network<double>>(path); }, "expected a Network of float64");
}

void test_a_model_that_no_header_holds() {
  LSTMConfig config;
  config.hidden_sizes.assign(6000, 1);
  config.peephole = Peephole::none;
  check_throws<FileError>([&] { serialise(LSTM<float>(config, uninitialised)); }, "18000 tensors");
}

}  // namespace

int main() {
  test_every_option();
  test_new_options_are_left_out();
  test_options_of_the_head();
  test_foreign_writer();
  test_the_stack_of_a_network();
  test_any_value();
  test_masked_writes();
  test_another_type();
  test_a_model_that_no_header_holds();
  return check::report();
}
