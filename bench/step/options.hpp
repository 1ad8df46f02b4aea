#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "peephole/config.hpp"

namespace bench {

struct Sizes {
  std::size_t I, H;
};

struct Options {
  std::vector<Sizes> sizes;
  double seconds = 0.5;  // of calls per implementation and measurement
  int rounds = 10;
  bool same_weights = false;
  bool streams = false;   // those alone
  bool sessions = false;  // those alone
  bool json = false;
  std::optional<peephole::Quantization> format;  // of streams and sessions; none: float32
};

/// Throws std::invalid_argument with the usage.
Options parse(int count, char** arguments);

}  // namespace bench
