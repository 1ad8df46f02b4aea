#include "peephole/initialise.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/errors.hpp"
#include "compute/shares.hpp"
#include "model/orthogonal.hpp"
#include "model/random.hpp"
#include "peephole/network.hpp"
#include "peephole/options.hpp"

namespace peephole {

template <>
Span<const Name<Initialisation>> names<Initialisation>() noexcept {
  static constexpr Name<Initialisation> kNames[] = {{Initialisation::uniform, "uniform"},
                                                    {Initialisation::orthogonal, "orthogonal"}};
  return {kNames, std::size(kNames)};
}

namespace {

/// (gates, H, P): the first P columns of an orthogonal (H, H) matrix for each gate; with threads.
std::vector<double> orthogonal(Random& random, Index H, Index P) {
  constexpr Index kColumns = RandomOrthogonal::kColumns;
  std::vector<RandomOrthogonal> matrices;
  for (int gate = 0; gate < kGates; ++gate) matrices.emplace_back(random, H);
  const Index strips = matrices.front().strips(), strip_size = H * kColumns;
  std::vector<double> computed(static_cast<std::size_t>(kGates * strips * strip_size));
  const double size = static_cast<double>(H);
  Team team(static_cast<int>(useful_members(6 * size * size * size, num_threads())));
  compute_shares(team, kGates * strips, [&](Index nth) {
    const RandomOrthogonal& matrix = matrices[static_cast<std::size_t>(nth / strips)];
    matrix.compute(nth % strips, computed.data() + nth * strip_size);
  });

  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(kGates * H * P));
  for (Index gate = 0; gate < kGates; ++gate) {
    for (Index row = 0; row < H; ++row) {
      for (Index column = 0; column < P; ++column) {
        const Index strip = gate * strips + column / kColumns;
        const Index at = strip * strip_size + row * kColumns + column % kColumns;
        values.push_back(computed[static_cast<std::size_t>(at)]);
      }
    }
  }
  return values;
}

bool begins_with(const std::string& text, const char* prefix) { return text.rfind(prefix, 0) == 0; }

std::vector<double> draw(const ParameterSpec& spec, Index H, Initialisation recurrent,
                         Random& random) {
  if (begins_with(spec.name, "weight_hh") && recurrent == Initialisation::orthogonal) {
    return orthogonal(random, H, spec.columns);
  }
  std::vector<double> values(static_cast<std::size_t>(spec.size()), 0.0);
  if (begins_with(spec.name, "h0") || begins_with(spec.name, "c0")) return values;
  if (begins_with(spec.name, "gain")) {
    std::fill(values.begin(), values.end(), 1.0);
  } else if (begins_with(spec.name, "shift")) {
    // They begin at 0.
  } else if (begins_with(spec.name, "bias")) {
    std::fill_n(values.begin() + index(Gate::forget) * H, H, 1.0);
  } else if (spec.name != "head.bias" && spec.name != "input.bias") {
    const double bound = 1 / std::sqrt(static_cast<double>(H));
    for (double& value : values) value = bound * (2 * random.uniform() - 1);
  }
  return values;
}

/// The first `count` parameters, those of a stack coming layer by layer. config: of the stack.
template <class T>
void initialise(const LSTMConfig& config, Parameters<T>& parameters, std::size_t count,
                std::uint64_t seed, Initialisation recurrent, Index input_size = 0) {
  if (config.quantization) {
    refuse("quantization", "none of a model that is initialised: see quantize()",
           to_string(*config.quantization));
  }
  Random random(seed);
  std::size_t i = 0;
  const auto next = [&](Index H) {
    const ParameterSpec& spec = parameters.specs()[i];
    const std::vector<double> drawn = draw(spec, H, recurrent, random);
    const std::vector<T> values(drawn.begin(), drawn.end());
    parameters.assign(static_cast<Index>(i), values.data());
    ++i;
  };
  const std::size_t per_layer = parameter_specs(config).size() / config.hidden_sizes.size();
  for (Index H : config.hidden_sizes) {
    for (std::size_t j = 0; j < per_layer; ++j) next(H);
  }
  while (i < count) {
    const bool of_input = begins_with(parameters.specs()[i].name, "input.");
    next(of_input ? input_size : config.hidden_sizes.back());
  }
}

}  // namespace

Initialisation parse_initialisation(const std::string& name) {
  return parse<Initialisation>("recurrent_init", name);
}

template <class T>
void initialise(LSTM<T>& lstm, std::uint64_t seed, Initialisation recurrent) {
  initialise(lstm.config(), lstm.parameters(), parameter_specs(lstm.config()).size(), seed,
             recurrent);
}

template <class T>
void initialise(Network<T>& network, std::uint64_t seed, Initialisation recurrent) {
  initialise(network.config().stack(), network.parameters(), network.parameters().specs().size(),
             seed, recurrent, network.config().lstm.input_size);
}

template void initialise(LSTM<float>&, std::uint64_t, Initialisation);
template void initialise(LSTM<double>&, std::uint64_t, Initialisation);
template void initialise(Network<float>&, std::uint64_t, Initialisation);
template void initialise(Network<double>&, std::uint64_t, Initialisation);

}  // namespace peephole
