#include "peephole/initialise.hpp"

#include <algorithm>

#include "support/arrays.hpp"
#include "support/check.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

constexpr double kOrthogonal = 1e-12;

NetworkConfig config_of(Peephole peephole) {
  NetworkConfig config;
  config.lstm.input_size = 3;
  config.lstm.hidden_sizes = {16, 9};
  config.lstm.peephole = peephole;
  config.lstm.bidirectional = true;
  config.output_size = 5;
  return config;
}

bool begins(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

/// The units of the layer that a parameter belongs to; the head counts as the last.
Index units_of(const NetworkConfig& config, const std::string& name) {
  return config.lstm.hidden_sizes[name.find("_l0") != std::string::npos ? 0 : 1];
}

void bounds() {
  for (Peephole peephole : {Peephole::none, Peephole::diagonal, Peephole::dense}) {
    Network<double> network(config_of(peephole), 7);
    const Parameters<double>& parameters = network.parameters();
    for (Index i = 0; i < static_cast<Index>(parameters.specs().size()); ++i) {
      const ParameterSpec& spec = parameters.specs()[at(i)];
      const Index H = units_of(network.config(), spec.name);
      const double *begin = parameters.data(i), *end = begin + spec.size();
      if (begins(spec.name, "bias")) {
        for (Index j = 0; j < spec.size(); ++j) CHECK(begin[j] == (j / H == 1 ? 1 : 0));
      } else if (spec.name == "head.bias") {
        CHECK(std::all_of(begin, end, [](double b) { return b == 0; }));
      } else {
        const double bound = 1 / std::sqrt(static_cast<double>(H));
        const auto [low, high] = std::minmax_element(begin, end);
        CHECK(*low >= -bound && *high <= bound);
        CHECK(*low < -0.7 * bound && *high > 0.7 * bound);  // 36 draws or more reach this far
      }
    }
  }
}

template <class T>
std::vector<T> drawn(std::uint64_t seed, Initialisation recurrent = Initialisation::uniform) {
  Network<T> network(config_of(Peephole::dense), seed, recurrent);
  std::vector<T> values;
  const Parameters<T>& parameters = network.parameters();
  for (Index i = 0; i < static_cast<Index>(parameters.specs().size()); ++i) {
    values.insert(values.end(), parameters.data(i),
                  parameters.data(i) + parameters.specs()[at(i)].size());
  }
  return values;
}

void determinism() {
  const std::vector<double> exact = drawn<double>(7);
  CHECK(drawn<double>(7) == exact);
  CHECK(drawn<double>(8) != exact);
  CHECK(drawn<double>(0) != exact);
  const std::vector<float> single = drawn<float>(7);
  CHECK(std::equal(exact.begin(), exact.end(), single.begin(), single.end(),
                   [](double a, float b) { return static_cast<float>(a) == b; }));

  // An LSTM alone begins as the one in a network.
  const NetworkConfig config = config_of(Peephole::dense);
  LSTM<double> lstm(config.lstm, 7);
  CHECK(std::equal(lstm.parameters().data(0), lstm.parameters().data(0) + 64 * 3, exact.begin()));
}

void orthogonality() {
  Network<double> network(config_of(Peephole::diagonal), 7, Initialisation::orthogonal);
  const Parameters<double>& parameters = network.parameters();
  for (const char* name :
       {"weight_hh_l0", "weight_hh_l0_reverse", "weight_hh_l1", "weight_hh_l1_reverse"}) {
    const Index i = parameters.find(name);
    const Index H = units_of(network.config(), name);
    for (Index gate = 0; gate < kGates; ++gate) {
      const double* R = parameters.data(i) + gate * H * H;
      for (Index row = 0; row < H; ++row) {
        for (Index other = 0; other <= row; ++other) {
          double dot = 0;
          for (Index m = 0; m < H; ++m) dot += R[row * H + m] * R[other * H + m];
          CHECK_CLOSE(dot, row == other ? 1 : 0, kOrthogonal);
        }
      }
    }
  }
  CHECK(drawn<double>(7, Initialisation::orthogonal) != drawn<double>(7));
  CHECK(drawn<double>(7, Initialisation::orthogonal) ==
        drawn<double>(7, Initialisation::orthogonal));
}

void what_is_not_connected_stays_0() {
  NetworkConfig config = config_of(Peephole::diagonal);
  config.lstm.peephole_gates = parse_gates("ifo");
  Network<float> network(config, uninitialised);
  Parameters<float>& parameters = network.parameters();
  Random random(1);
  const Index masked = parameters.find("weight_hh_l1");
  thin_out(parameters, masked, random);
  initialise(network, 7);
  for (Index j = 0; j < parameters.specs()[at(masked)].size(); ++j) {
    CHECK((parameters.data(masked)[j] != 0) == parameters.mask(masked)[j]);
  }
  const float* peepholes = parameters.data(parameters.find("weight_ch_l0"));
  for (Index j = 0; j < 4 * 16; ++j) CHECK((peepholes[j] != 0) == (j / 16 != 2));
}

void names() {
  CHECK(parse_initialisation("uniform") == Initialisation::uniform);
  CHECK(parse_initialisation("orthogonal") == Initialisation::orthogonal);
  CHECK_THROWS(parse_initialisation("xavier"), "expected one of uniform, orthogonal");
}

}  // namespace

int main() {
  bounds();
  determinism();
  orthogonality();
  what_is_not_connected_stays_0();
  names();
  return check::report();
}
