#include "layer/noise.hpp"

#include <vector>

#include "support/check.hpp"

using namespace peephole;

namespace {

/// The known answers of Random123, the authors' own implementation.
void test_philox() {
  using Words = std::array<std::uint32_t, 4>;
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint32_t ones = 0xffffffff;
  CHECK(philox({ones, ones, ones, ones}, {ones, ones}) ==
        (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

/// Every part of a choice's place counts, and a longer draw begins as a shorter one.
void test_places() {
  constexpr Index kUnits = 64;
  const auto drawn = [](std::uint64_t seed, Noise noise, Index layer, Direction direction,
                        Index sequence, Index t) {
    std::vector<float> values(kUnits);
    Choice(seed, noise, layer, direction, 0.5).draw(sequence, t, 1.0f, 0.0f, values.data(), kUnits);
    return values;
  };
  const auto forward = Direction::forward;
  const std::vector<float> first = drawn(7, Noise::dropout, 1, forward, 3, 5);
  CHECK(first == drawn(7, Noise::dropout, 1, forward, 3, 5));
  CHECK(first != drawn(8, Noise::dropout, 1, forward, 3, 5));
  CHECK(first != drawn(7 + (std::uint64_t{1} << 32), Noise::dropout, 1, forward, 3, 5));
  CHECK(first != drawn(7, Noise::zoneout_h, 1, forward, 3, 5));
  CHECK(first != drawn(7, Noise::dropout, 2, forward, 3, 5));
  CHECK(first != drawn(7, Noise::dropout, 1, Direction::reverse, 3, 5));
  CHECK(first != drawn(7, Noise::dropout, 1, forward, 4, 5));
  CHECK(first != drawn(7, Noise::dropout, 1, forward, 3, 6));

  std::vector<float> some(5);
  Choice(7, Noise::dropout, 1, forward, 0.5).draw(3, 5, 1.0f, 0.0f, some.data(), 5);
  CHECK(std::vector<float>(first.begin(), first.begin() + 5) == some);
}

/// A unit is chosen by its word of philox() at its place, wherever a draw ends.
void test_words() {
  constexpr Index kMost = 40, kSequence = 3, kStep = 5;
  constexpr std::uint64_t kSeed = 0xfedcba9876543210;
  const Choice choice(kSeed, Noise::zoneout_h, 6, Direction::reverse, 0.3);
  const std::uint32_t stream = 6 << 3 | 1 << 2 | 2;
  const auto threshold = static_cast<std::uint32_t>(0.3 * 0x1p32);
  for (Index size = 0; size <= kMost; ++size) {
    std::vector<float> drawn(kMost, 7.0f), kept(kMost, 7.0f);
    const std::vector<float> previous(kMost, 1.0f);
    choice.draw(kSequence, kStep, 1.0f, 0.0f, drawn.data(), size);
    choice.keep(kSequence, kStep, previous.data(), kept.data(), size);
    for (Index unit = 0; unit < kMost; ++unit) {
      const auto n = static_cast<std::size_t>(unit);
      const auto words = philox({static_cast<std::uint32_t>(unit / 4), kStep, kSequence, stream},
                                {0x76543210, 0xfedcba98});
      const bool is_chosen = words[n % 4] < threshold;
      CHECK(drawn[n] == (unit >= size ? 7.0f : is_chosen ? 1.0f : 0.0f));
      CHECK(kept[n] == (unit < size && is_chosen ? 1.0f : 7.0f));
    }
  }
}

/// Binomial: among this many draws, five standard deviations are 5 sqrt(p (1 - p) / draws).
void test_frequency() {
  constexpr Index kSequences = 50, kSteps = 40, kUnits = 37;
  constexpr double kDraws = kSequences * kSteps * kUnits;
  for (double probability : {0.0, 0.1, 0.5, 0.9}) {
    const Choice choice(123, Noise::zoneout_c, 0, Direction::forward, probability);
    double chosen = 0;
    std::vector<double> values(kUnits);
    for (Index sequence = 0; sequence < kSequences; ++sequence) {
      for (Index t = 0; t < kSteps; ++t) {
        choice.draw(sequence, t, 1.0, 0.0, values.data(), kUnits);
        for (double value : values) chosen += value;
      }
    }
    const double bound = 5 * std::sqrt(probability * (1 - probability) / kDraws);
    CHECK(std::abs(chosen / kDraws - probability) <= bound);
  }
}

}  // namespace

int main() {
  test_philox();
  test_places();
  test_words();
  test_frequency();
  return check::report();
}
