#include "peephole/initialise.hpp"

#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <vector>

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

/// SplitMix64 (Steele et al. 2014, doi:10.1145/2714064.2660195): the standard library's
/// distributions differ from one platform to the next.
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

  /// In [0, 1).
  double uniform() noexcept {
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return static_cast<double>(z >> 11) * 0x1.0p-53;
  }

  /// Of the standard normal distribution, by Box and Muller.
  double normal() noexcept {
    constexpr double kTwoPi = 6.283185307179586;
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(kTwoPi * uniform());
  }

 private:
  std::uint64_t state_;
};

/// A random orthogonal (H, H), row-major: Q of a normal matrix, its columns' signs those of R's
/// diagonal, without which it would not be uniform (Mezzadri 2007, arXiv:math-ph/0609050).
std::vector<double> orthogonal(Random& random, Index H) {
  Eigen::MatrixXd normal(H, H);
  for (Index i = 0; i < H; ++i) {
    for (Index j = 0; j < H; ++j) normal(i, j) = random.normal();
  }
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(normal);
  const Eigen::MatrixXd Q = qr.householderQ();
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(H * H));
  for (Index i = 0; i < H; ++i) {
    for (Index j = 0; j < H; ++j) {
      values.push_back(qr.matrixQR()(j, j) < 0 ? -Q(i, j) : Q(i, j));
    }
  }
  return values;
}

bool begins_with(const std::string& text, const char* prefix) { return text.rfind(prefix, 0) == 0; }

std::vector<double> draw(const ParameterSpec& spec, Index H, Initialisation recurrent,
                         Random& random) {
  std::vector<double> values;
  if (begins_with(spec.name, "weight_hh") && recurrent == Initialisation::orthogonal) {
    for (int gate = 0; gate < kGates; ++gate) {
      const std::vector<double> Q = orthogonal(random, H);
      values.insert(values.end(), Q.begin(), Q.end());
    }
    return values;
  }
  values.resize(static_cast<std::size_t>(spec.size()), 0.0);
  if (begins_with(spec.name, "bias")) {
    std::fill_n(values.begin() + index(Gate::forget) * H, H, 1.0);
  } else if (spec.name != "head.bias") {
    const double bound = 1 / std::sqrt(static_cast<double>(H));
    for (double& value : values) value = bound * (2 * random.uniform() - 1);
  }
  return values;
}

/// The first `count` parameters, those of a stack coming layer by layer.
template <class T>
void initialise(const LSTMConfig& config, Parameters<T>& parameters, std::size_t count,
                std::uint64_t seed, Initialisation recurrent) {
  Random random(seed);
  std::size_t i = 0;
  const auto next = [&](Index H) {
    const ParameterSpec& spec = parameters.specs()[i];
    const std::vector<double> drawn = draw(spec, H, recurrent, random);
    const std::vector<T> values(drawn.begin(), drawn.end());
    parameters.assign(static_cast<Index>(i), values.data());
    ++i;
  };
  const std::size_t per_pass = 2 + (config.peephole != Peephole::none) + config.bias;
  for (Index H : config.hidden_sizes) {
    for (std::size_t j = 0; j < per_pass * static_cast<std::size_t>(config.directions()); ++j) {
      next(H);
    }
  }
  while (i < count) next(config.hidden_sizes.back());
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
  initialise(network.config().lstm, network.parameters(), network.parameters().specs().size(), seed,
             recurrent);
}

template void initialise(LSTM<float>&, std::uint64_t, Initialisation);
template void initialise(LSTM<double>&, std::uint64_t, Initialisation);
template void initialise(Network<float>&, std::uint64_t, Initialisation);
template void initialise(Network<double>&, std::uint64_t, Initialisation);

}  // namespace peephole
