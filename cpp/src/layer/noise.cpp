#include "layer/noise.hpp"

#include <algorithm>

namespace peephole {
namespace {

constexpr std::uint32_t low(std::uint64_t value) noexcept {
  return static_cast<std::uint32_t>(value);
}
constexpr std::uint32_t high(std::uint64_t value) noexcept {
  return static_cast<std::uint32_t>(value >> 32);
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key) noexcept {
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t first = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t second = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {high(second) ^ counter[1] ^ key[0], low(second), high(first) ^ counter[3] ^ key[1],
               low(first)};
    key = {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};
  }
  return counter;
}

Choice::Choice(std::uint64_t seed, Noise noise, Index layer, Direction direction,
               double probability) noexcept
    : key_{low(seed), high(seed)},
      stream_(static_cast<std::uint32_t>(layer) << 3 |
              (direction == Direction::reverse ? 1u : 0u) << 2 | static_cast<std::uint32_t>(noise)),
      threshold_(static_cast<std::uint32_t>(probability * 0x1p32)) {}

template <class T>
void Choice::draw(Index sequence, Index t, T chosen, T other, T* values,
                  Index size) const noexcept {
  constexpr Index kWords = 4;
  for (Index first = 0; first < size; first += kWords) {
    const auto words =
        philox({static_cast<std::uint32_t>(first / kWords), static_cast<std::uint32_t>(t),
                static_cast<std::uint32_t>(sequence), stream_},
               key_);
    const Index count = std::min(kWords, size - first);
    for (Index unit = 0; unit < count; ++unit) {
      const bool is_chosen = words[static_cast<std::size_t>(unit)] < threshold_;
      values[first + unit] = is_chosen ? chosen : other;
    }
  }
}

template <class T>
void draw_dropout(const Schedule& schedule, std::uint64_t seed, Index layer, double dropout,
                  Index width, T* factors) noexcept {
  const Choice choice(seed, Noise::dropout, layer, Direction::forward, dropout);
  for (Index t = 0; t < schedule.steps(); ++t) {
    for (Index rank = 0; rank < schedule.rows(t); ++rank) {
      choice.draw(schedule.sequence(rank), t, T{0}, kept_factor<T>(dropout),
                  factors + (schedule.offset(t) + rank) * width, width);
    }
  }
}

template void Choice::draw(Index, Index, float, float, float*, Index) const noexcept;
template void Choice::draw(Index, Index, double, double, double*, Index) const noexcept;
template void draw_dropout(const Schedule&, std::uint64_t, Index, double, Index, float*) noexcept;
template void draw_dropout(const Schedule&, std::uint64_t, Index, double, Index, double*) noexcept;

}  // namespace peephole
