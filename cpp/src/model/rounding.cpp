#include "model/rounding.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace peephole {
namespace {

constexpr double kMostInt32 = 2147483647;

double largest(const float* row, Index columns) noexcept {
  double most = 0;
  for (Index k = 0; k < columns; ++k) most = std::max(most, std::abs(double{row[k]}));
  return most;
}

/// The largest sum of magnitudes of a run of `terms` terms, which begins at a multiple of them.
double largest_sum(const float* row, Index columns, Index terms) noexcept {
  double most = 0;
  for (Index begin = 0; begin < columns; begin += terms) {
    double sum = 0;
    for (Index k = begin; k < std::min(begin + terms, columns); ++k)
      sum += std::abs(double{row[k]});
    most = std::max(most, sum);
  }
  return most;
}

template <class Integer>
bool keeps_bound(const Integer* row, Index columns, const SumBound& bound) noexcept {
  const std::int64_t most = 2147483647 / bound.most_factor;
  for (Index begin = 0; begin < columns; begin += bound.terms) {
    std::int64_t sum = 0;
    for (Index k = begin; k < std::min(begin + bound.terms, columns); ++k) {
      if (row[k] == std::numeric_limits<Integer>::min()) return false;
      sum += std::abs(int{row[k]});
    }
    if (sum > most) return false;
  }
  return true;
}

template <class Integer>
float round_by(const float* row, Index columns, double scale, Integer* to) noexcept {
  const auto rounded = static_cast<float>(scale);
  if (!(rounded >= std::numeric_limits<float>::min())) {  // subnormal numbers count as 0
    std::fill_n(to, columns, Integer{0});
    return 0;
  }
  constexpr double kMost = std::numeric_limits<Integer>::max();
  for (Index k = 0; k < columns; ++k) {
    const double quotient = std::nearbyint(double{row[k]} / double{rounded});
    to[k] = static_cast<Integer>(std::clamp(quotient, -kMost, kMost));
  }
  return rounded;
}

}  // namespace

float round_row(const float* row, Index columns, std::int16_t* to) noexcept {
  constexpr SumBound kBound = kInt16Bound;
  // Each of the terms may be rounded away from 0 by a half; and the scale is rounded to float.
  const double most_sum =
      std::floor(kMostInt32 / kBound.most_factor) - 0.5 * static_cast<double>(kBound.terms) - 1;
  const double by_sum = largest_sum(row, columns, kBound.terms) / most_sum;
  return round_by(row, columns, std::max(by_sum, largest(row, columns) / 32767), to);
}

float round_row(const float* row, Index columns, std::int8_t* to) noexcept {
  return round_by(row, columns, largest(row, columns) / 127, to);
}

bool sums_fit(const std::int16_t* row, Index columns) noexcept {
  return keeps_bound(row, columns, kInt16Bound);
}
bool sums_fit(const std::int8_t* row, Index columns) noexcept {
  return keeps_bound(row, columns, kInt8Bound);
}

}  // namespace peephole
