#pragma once

#include "options.hpp"
#include "peephole/network.hpp"

namespace bench {

/// A layer of H units and a dense head of one output.
inline peephole::Network<float> network_of(const Sizes& sizes) {
  peephole::NetworkConfig config;
  config.lstm.input_size = static_cast<peephole::Index>(sizes.I);
  config.lstm.hidden_sizes = {static_cast<peephole::Index>(sizes.H)};
  return peephole::Network<float>(config, /*seed=*/0);
}

}  // namespace bench
