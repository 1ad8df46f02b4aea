// Rows of matrices as integers: how they are rounded, and that no sum of products overflows.

#include "model/rounding.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "support/check.hpp"

namespace peephole {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// The largest sum of products that a run of terms can have, for any factors.
template <class Integer>
std::int64_t largest_sum(const std::vector<Integer>& row, const SumBound& bound) {
  std::int64_t most = 0;
  const auto columns = static_cast<Index>(row.size());
  for (Index begin = 0; begin < columns; begin += bound.terms) {
    std::int64_t sum = 0;
    for (Index k = begin; k < std::min(begin + bound.terms, columns); ++k) {
      sum += std::abs(static_cast<std::int64_t>(row[at(k)])) * bound.most_factor;
    }
    most = std::max(most, sum);
  }
  return most;
}

template <class Integer>
void check_row(const std::vector<float>& row, const SumBound& bound) {
  std::vector<Integer> rounded(row.size());
  const auto columns = static_cast<Index>(row.size());
  const float scale = round_row(row.data(), columns, rounded.data());
  CHECK(largest_sum(rounded, bound) < std::int64_t{1} << 31);
  CHECK(sums_fit(rounded.data(), columns));
  for (std::size_t k = 0; k < row.size(); ++k) {
    const double value = static_cast<double>(rounded[k]) * static_cast<double>(scale);
    CHECK(std::abs(value - static_cast<double>(row[k])) <= 0.50001 * static_cast<double>(scale));
  }
}

void rounds_rows() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const Index columns : {1, 2, 127, 128, 129, 1000, 5000}) {
    for (const float size : {1.0f, 1e-6f, 1e30f}) {
      std::vector<float> row(at(columns));
      for (float& value : row) value = size * normal(random);
      check_row<std::int16_t>(row, kInt16Bound);
      check_row<std::int8_t>(row, kInt8Bound);
      std::fill(row.begin(), row.end(), -size);  // the largest sum that there can be
      check_row<std::int16_t>(row, kInt16Bound);
      check_row<std::int8_t>(row, kInt8Bound);
    }
  }
}

void rounds_zeros() {
  for (const float value : {0.0f, 1e-42f}) {  // subnormal numbers count as zeros
    const std::vector<float> row(300, value);
    std::vector<std::int16_t> rounded(300, 7);
    CHECK(round_row(row.data(), 300, rounded.data()) == 0);
    CHECK(std::count(rounded.begin(), rounded.end(), 0) == 300);
  }
}

void finds_sums_that_overflow() {
  std::vector<std::int16_t> row(256, 0);
  // 262,176 * 8191 is just below 2^31.
  std::fill_n(row.begin(), 8, std::int16_t{32767});
  row[127] = 40;
  CHECK(sums_fit(row.data(), 256));
  row[126] = -1;
  CHECK(!sums_fit(row.data(), 256));
  row[126] = 0;
  std::fill_n(row.begin() + 128, 8, std::int16_t{-32767});  // another run of terms
  CHECK(sums_fit(row.data(), 256));
  row.assign(256, 0);
  row[3] = std::numeric_limits<std::int16_t>::min();
  CHECK(!sums_fit(row.data(), 256));
  std::vector<std::int8_t> small(5000, 127);
  CHECK(sums_fit(small.data(), 5000));
  small[4999] = -128;
  CHECK(!sums_fit(small.data(), 5000));
}

}  // namespace
}  // namespace peephole

int main() {
  peephole::rounds_rows();
  peephole::rounds_zeros();
  peephole::finds_sums_that_overflow();
  return check::report();
}
