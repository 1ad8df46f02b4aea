#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "peephole/peephole.hpp"

/// Arrays for the tests: random ones, states of a stack, and the views of them that calls take.
namespace peephole::test {

inline std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// The same numbers on every platform, which std::uniform_real_distribution does not promise.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  double uniform(double low, double high) {
    return low + (high - low) * std::ldexp(static_cast<double>(engine_() >> 11), -53);
  }
  template <class T>
  std::vector<T> values(Index size, double low = -1, double high = 1) {
    std::vector<T> values(at(size));
    for (T& value : values) value = static_cast<T>(uniform(low, high));
    return values;
  }

 private:
  std::mt19937_64 engine_;
};

/// h (B, P_k) and c (B, H_k) of every layer and direction.
template <class T>
struct States {
  Index batch;
  std::vector<Index> hidden_sizes, recurrent_sizes;  // H and P per layer and direction
  std::vector<std::vector<T>> h, c;

  States(const LSTMConfig& config, Index B) : batch(B) {
    for (Index layer = 0; layer < config.layers(); ++layer) {
      const Index H = config.hidden_sizes[at(layer)], P = config.recurrent_size(layer);
      for (Index direction = 0; direction < config.directions(); ++direction) {
        hidden_sizes.push_back(H);
        recurrent_sizes.push_back(P);
        h.emplace_back(at(batch * P));
        c.emplace_back(at(batch * H));
      }
    }
  }
  States(const LSTMConfig& config, Index B, Random& random) : States(config, B) {
    for (auto* arrays : {&h, &c}) {
      for (auto& array : *arrays) array = random.values<T>(static_cast<Index>(array.size()));
    }
  }

  std::vector<StateView<T>> views() {
    std::vector<StateView<T>> views;
    for (std::size_t i = 0; i < h.size(); ++i) {
      views.push_back({h[i].data(), c[i].data(), batch, hidden_sizes[i], recurrent_sizes[i]});
    }
    return views;
  }
  std::vector<StateView<const T>> const_views() const {
    std::vector<StateView<const T>> views;
    for (std::size_t i = 0; i < h.size(); ++i) {
      views.push_back({h[i].data(), c[i].data(), batch, hidden_sizes[i], recurrent_sizes[i]});
    }
    return views;
  }
};

template <class T>
void randomise(Parameters<T>& parameters, Random& random) {
  for (Index i = 0; i < static_cast<Index>(parameters.specs().size()); ++i) {
    parameters.assign(i, random.values<T>(parameters.specs()[at(i)].size()).data());
  }
}

/// Leaves about two weights of three of parameter `i` connected.
template <class T>
void thin_out(Parameters<T>& parameters, Index i, Random& random) {
  const Index size = parameters.specs()[at(i)].size();
  const std::unique_ptr<bool[]> connected(new bool[at(size)]);
  for (Index j = 0; j < size; ++j) connected[at(j)] = random.uniform(0, 3) < 2;
  parameters.mask(i, connected.get());
}

}  // namespace peephole::test
