#pragma once

#include <cmath>
#include <cstdint>

namespace peephole {

/// SplitMix64 (Steele et al. 2014, doi:10.1145/2714064.2660195): the standard library's
/// distributions differ from one platform to the next.
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

  /// In [0, 1).
  double uniform() noexcept {
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return static_cast<double>(z >> 11) * 0x1.0p-53;
  }

  /// Of the standard normal distribution, by Box and Muller.
  double normal() noexcept {
    constexpr double kTwoPi = 6.283185307179586;
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(kTwoPi * uniform());
  }

 private:
  std::uint64_t state_;
};

}  // namespace peephole
