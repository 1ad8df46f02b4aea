#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "peephole/initialise.hpp"
#include "peephole/stream.hpp"
#include "support/arrays.hpp"

/// Small networks, and what they and their streams compute.
namespace peephole::test {

inline constexpr Index kTime = 7;

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

/// A network with values everywhere, some of its weights masked.
template <class T>
Network<T> random_network(const NetworkConfig& config, Random& random, bool masked) {
  Network<T> network(config, uninitialised);
  randomise(network.parameters(), random);
  if (masked) {
    for (const char* name : {"weight_ih_l0", "weight_hh_l0"}) {
      thin_out(network.parameters(), network.parameters().find(name), random);
    }
  }
  return network;
}

template <class T>
std::vector<T> inferred(const Network<T>& network, const std::vector<T>& x, Index B, Index time) {
  const Index I = network.config().lstm.input_size, O = network.config().output_size;
  const Index steps = network.config().readout == Readout::all ? time : 1;
  std::vector<T> y(at(B * steps * O));
  network.infer({contiguous(x.data(), B, time, I)}, {contiguous(y.data(), B, steps, O)});
  return y;
}

/// Of x (B, T, I) a step at a time.
template <class T>
std::vector<T> stepped(Stream<T>& stream, const std::vector<T>& x, Index time) {
  const Index B = stream.batch(), I = stream.input_size(), O = stream.output_size();
  std::vector<T> y(at(B * time * O)), now(at(B * I)), out(at(B * O));
  for (Index t = 0; t < time; ++t) {
    for (Index b = 0; b < B; ++b) std::copy_n(&x[at((b * time + t) * I)], I, &now[at(b * I)]);
    stream.step(now.data(), out.data());
    for (Index b = 0; b < B; ++b) std::copy_n(&out[at(b * O)], O, &y[at((b * time + t) * O)]);
  }
  return y;
}

inline NetworkConfig filter(Index H) {
  NetworkConfig config;
  config.lstm.hidden_sizes = {H};
  return config;
}

}  // namespace peephole::test
