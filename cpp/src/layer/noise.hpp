#pragma once

#include <array>
#include <cstdint>

#include "layer/schedule.hpp"

/// The randomness of training: which units dropout, recurrent dropout and zoneout choose.
///
/// Every choice is a function of its place alone - the seed of the pass, what it is for, layer,
/// direction, the sequence's index in the caller's batch, step and unit. So it is the same in
/// forward and backward, on every path, and nothing of it is kept.
namespace peephole {

/// Philox4x32-10: 128 random bits for a counter and a key (J. K. Salmon et al., "Parallel random
/// numbers: as easy as 1, 2, 3", SC 2011, doi:10.1145/2063384.2063405).
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key) noexcept;

/// What a choice is for.
enum class Noise : std::uint32_t {
  dropout = 0,
  recurrent_dropout = 1,
  zoneout_h = 2,
  zoneout_c = 3
};

/// Which units are chosen, each with the same probability.
class Choice {
 public:
  /// probability in [0, 1), met to within 2^-32.
  Choice(std::uint64_t seed, Noise noise, Index layer, Direction direction,
         double probability) noexcept;

  /// values[unit] = chosen or else other, for `size` units of a sequence at step t.
  template <class T>
  void draw(Index sequence, Index t, T chosen, T other, T* values, Index size) const noexcept;

  /// values[unit] = previous[unit] where the unit is chosen; the others stay.
  template <class T>
  void keep(Index sequence, Index t, const T* previous, T* values, Index size) const noexcept;

 private:
  /// f(unit, chosen) for `size` units of a sequence at step t.
  template <class F>
  void for_each(Index sequence, Index t, Index size, const F& f) const noexcept;

  std::array<std::uint32_t, 2> key_;
  std::uint32_t stream_;
  std::uint32_t threshold_;  // of 2^32
};

/// What regularisation does to a layer; with both probabilities 0 nothing.
///
/// The gates are given h_{t-1} ⊙ m / (1 - recurrent_dropout) for h_{t-1}, with one m of zeros and
/// ones for all steps of a sequence and for all gates: the variational dropout, with tied weights,
/// of Y. Gal, Z. Ghahramani, NIPS 2016, arXiv:1512.05287. And, after D. Krueger et al., ICLR 2017,
/// arXiv:1606.01305, with z drawn for each step, and c, h as the equations have them,
///
///     c_t = z_c ⊙ c_{t-1} + (1 - z_c) ⊙ c        h_t = z_h ⊙ h_{t-1} + (1 - z_h) ⊙ h
///
/// In inference nothing is drawn: each z is its expectation, as in that paper.
struct LayerNoise {
  std::uint64_t seed = 0;
  Index layer = 0;
  double recurrent_dropout = 0;
  double zoneout = 0;
  bool expected = false;  // inference

  bool drops() const noexcept { return recurrent_dropout > 0; }
  bool zones() const noexcept { return zoneout > 0; }
  bool any() const noexcept { return drops() || zones(); }

  /// Of the units that recurrent dropout drops, or that zoneout keeps.
  Choice choice(Noise kind, Direction direction) const noexcept {
    return {seed, kind, layer, direction,
            kind == Noise::recurrent_dropout ? recurrent_dropout : zoneout};
  }
};

/// What a dropped value is replaced by, and the factor of one that is kept: its expectation stays
/// ("inverted" dropout).
template <class T>
constexpr T kept_factor(double dropout) noexcept {
  return static_cast<T>(1 / (1 - dropout));
}

/// factors (N, width): 0 for the dropped units of every packed row, else kept_factor.
template <class T>
void draw_dropout(const Schedule& schedule, std::uint64_t seed, Index layer, double dropout,
                  Index width, T* factors) noexcept;

}  // namespace peephole
