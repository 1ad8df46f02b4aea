#pragma once

#include "options.hpp"
#include "peephole/network.hpp"
#include "peephole/quantize.hpp"

namespace bench {

/// A layer of H units and a dense head of one output, in the format of the options.
inline peephole::Network<float> network_of(const Sizes& sizes, const Options& options) {
  peephole::NetworkConfig config;
  config.lstm.input_size = static_cast<peephole::Index>(sizes.I);
  config.lstm.hidden_sizes = {static_cast<peephole::Index>(sizes.H)};
  peephole::Network<float> network(config, /*seed=*/0);
  if (options.format) return peephole::quantize(network, *options.format);
  return network;
}

}  // namespace bench
