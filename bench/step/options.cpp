#include "options.hpp"

#include <cstdio>
#include <stdexcept>
#include <string>

#include "peephole/options.hpp"

namespace bench {
namespace {

constexpr const char* kUsage =
    "usage: peephole_bench_step [--seconds S] [--rounds N] [--same-weights] [--streams] "
    "[--sessions] [--format int16|int8|int8_fast] [--json] [I,H ...]";

// Filters of one variable up to H = 64, and layers of streaming models.
const std::vector<Sizes> kSizes = {{1, 8},  {1, 16}, {1, 20},   {1, 24},   {16, 32},
                                   {1, 40}, {1, 64}, {64, 128}, {256, 256}};

Sizes parse_sizes(const char* text) {
  Sizes sizes{};
  char rest = 0;
  if (std::sscanf(text, "%zu,%zu%c", &sizes.I, &sizes.H, &rest) != 2 || sizes.I == 0 ||
      sizes.H == 0) {
    throw std::invalid_argument(kUsage);
  }
  return sizes;
}

}  // namespace

Options parse(int count, char** arguments) {
  Options options;
  for (int n = 1; n < count; ++n) {
    const std::string argument = arguments[n];
    const bool has_value =
        argument == "--seconds" || argument == "--rounds" || argument == "--format";
    if (has_value && n + 1 == count) throw std::invalid_argument(kUsage);
    if (argument == "--seconds") {
      options.seconds = std::stod(arguments[++n]);
    } else if (argument == "--rounds") {
      options.rounds = std::stoi(arguments[++n]);
    } else if (argument == "--format") {
      options.format = peephole::parse<peephole::Quantization>("--format", arguments[++n]);
    } else if (argument == "--same-weights") {
      options.same_weights = true;
    } else if (argument == "--streams") {
      options.streams = true;
    } else if (argument == "--sessions") {
      options.sessions = true;
    } else if (argument == "--json") {
      options.json = true;
    } else {
      options.sizes.push_back(parse_sizes(arguments[n]));
    }
  }
  if (options.sizes.empty()) options.sizes = kSizes;
  return options;
}

}  // namespace bench
