#include "layer/noise.hpp"

#include <algorithm>

#include "base/dual.hpp"

#if defined(__SSE2__) || defined(_M_X64)
#define PEEPHOLE_PHILOX_SSE2 1
#include <emmintrin.h>
#endif

namespace peephole {
namespace {

constexpr std::uint32_t low(std::uint64_t value) noexcept {
  return static_cast<std::uint32_t>(value);
}
constexpr std::uint32_t high(std::uint64_t value) noexcept {
  return static_cast<std::uint32_t>(value >> 32);
}

using Words = std::array<std::uint32_t, 4>;
using Key = std::array<std::uint32_t, 2>;

constexpr int kRounds = 10;
constexpr std::uint32_t kMultipliers[] = {0xD2511F53, 0xCD9E8D57};
constexpr std::uint32_t kKeySteps[] = {0x9E3779B9, 0xBB67AE85};

/// Counters whose words are computed together.
constexpr Index kCounters = 4;

#if defined(PEEPHOLE_PHILOX_SSE2)

/// Two counters: word w of each is the lower half of a lane of word[w]. The upper halves may hold
/// anything.
struct TwoCounters {
  __m128i word[4];
};

__m128i broadcast(std::uint32_t value) noexcept { return _mm_set1_epi32(static_cast<int>(value)); }

void philox_round(TwoCounters& counters, __m128i key_0, __m128i key_1) noexcept {
  __m128i(&word)[4] = counters.word;
  const __m128i first = _mm_mul_epu32(word[0], broadcast(kMultipliers[0]));
  const __m128i second = _mm_mul_epu32(word[2], broadcast(kMultipliers[1]));
  word[0] = _mm_xor_si128(_mm_xor_si128(_mm_srli_epi64(second, 32), word[1]), key_0);
  word[2] = _mm_xor_si128(_mm_xor_si128(_mm_srli_epi64(first, 32), word[3]), key_1);
  word[1] = second;
  word[3] = first;
}

/// words (2, 4)
void store(const TwoCounters& counters, std::uint32_t* words) noexcept {
  const auto pair = [&](int w) {
    const __m128i lower = _mm_and_si128(counters.word[w], _mm_set_epi32(0, -1, 0, -1));
    return _mm_or_si128(lower, _mm_slli_epi64(counters.word[w + 1], 32));
  };
  const __m128i begin = pair(0), end = pair(2);
  __m128i* const to = reinterpret_cast<__m128i*>(words);
  _mm_storeu_si128(to, _mm_unpacklo_epi64(begin, end));
  _mm_storeu_si128(to + 1, _mm_unpackhi_epi64(begin, end));
}

/// words (kCounters, 4): philox() of `counter`, and of those whose first word is larger by 1, 2, 3.
void philox_of_counters(const Words& counter, Key key, std::uint32_t* words) noexcept {
  constexpr int kPairs = kCounters / 2;
  TwoCounters counters[kPairs];
  for (int pair = 0; pair < kPairs; ++pair) {
    const std::uint32_t first = counter[0] + 2 * static_cast<std::uint32_t>(pair);
    counters[pair] = {{_mm_add_epi32(broadcast(first), _mm_set_epi32(0, 1, 0, 0)),
                       broadcast(counter[1]), broadcast(counter[2]), broadcast(counter[3])}};
  }
  for (int round = 0; round < kRounds; ++round) {
    for (TwoCounters& pair : counters) philox_round(pair, broadcast(key[0]), broadcast(key[1]));
    key = {key[0] + kKeySteps[0], key[1] + kKeySteps[1]};
  }
  for (int pair = 0; pair < kPairs; ++pair) store(counters[pair], words + pair * 8);
}

#else

void philox_of_counters(Words counter, const Key& key, std::uint32_t* words) noexcept {
  for (Index n = 0; n < kCounters; ++n, ++counter[0]) {
    const Words of_counter = philox(counter, key);
    std::copy(of_counter.begin(), of_counter.end(), words + 4 * n);
  }
}

#endif

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key) noexcept {
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t first = std::uint64_t{kMultipliers[0]} * counter[0];
    const std::uint64_t second = std::uint64_t{kMultipliers[1]} * counter[2];
    counter = {high(second) ^ counter[1] ^ key[0], low(second), high(first) ^ counter[3] ^ key[1],
               low(first)};
    key = {key[0] + kKeySteps[0], key[1] + kKeySteps[1]};
  }
  return counter;
}

Choice::Choice(std::uint64_t seed, Noise noise, Index layer, Direction direction,
               double probability) noexcept
    : key_{low(seed), high(seed)},
      stream_(static_cast<std::uint32_t>(layer) << 3 |
              (direction == Direction::reverse ? 1u : 0u) << 2 | static_cast<std::uint32_t>(noise)),
      threshold_(static_cast<std::uint32_t>(probability * 0x1p32)) {}

template <class F>
void Choice::for_each(Index sequence, Index t, Index size, const F& f) const noexcept {
  constexpr Index kWords = 4 * kCounters;  // each decides about one unit
  std::uint32_t words[kWords];
  for (Index first = 0; first < size; first += kWords) {
    philox_of_counters({static_cast<std::uint32_t>(first / 4), static_cast<std::uint32_t>(t),
                        static_cast<std::uint32_t>(sequence), stream_},
                       key_, words);
    if (size - first >= kWords) {
      for (Index unit = 0; unit < kWords; ++unit) f(first + unit, words[unit] < threshold_);
    } else {
      for (Index unit = 0; first + unit < size; ++unit) f(first + unit, words[unit] < threshold_);
    }
  }
}

template <class T>
void Choice::draw(Index sequence, Index t, T chosen, T other, T* values,
                  Index size) const noexcept {
  for_each(sequence, t, size,
           [=](Index unit, bool is_chosen) { values[unit] = is_chosen ? chosen : other; });
}

template <class T>
void Choice::keep(Index sequence, Index t, const T* previous, T* values,
                  Index size) const noexcept {
  for_each(sequence, t, size, [=](Index unit, bool is_chosen) {
    values[unit] = is_chosen ? previous[unit] : values[unit];
  });
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
template void Choice::draw(Index, Index, Dual, Dual, Dual*, Index) const noexcept;
template void Choice::keep(Index, Index, const float*, float*, Index) const noexcept;
template void Choice::keep(Index, Index, const double*, double*, Index) const noexcept;
template void draw_dropout(const Schedule&, std::uint64_t, Index, double, Index, float*) noexcept;
template void draw_dropout(const Schedule&, std::uint64_t, Index, double, Index, double*) noexcept;
template void draw_dropout(const Schedule&, std::uint64_t, Index, double, Index, Dual*) noexcept;

}  // namespace peephole
