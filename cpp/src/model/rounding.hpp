#pragma once

#include <cstdint>

#include "peephole/types.hpp"

/// Rows of matrices as integers. Sums of their products with the integers of x, h and c must not
/// overflow 32 bits, whatever those are: the sum of the magnitudes of a run of terms is bounded.
namespace peephole {

/// A run of so many terms of a row, multiplied with integers of at most this magnitude, is summed
/// in 32 bits.
struct SumBound {
  Index terms;
  int most_factor;
};
inline constexpr SumBound kInt16Bound = {128, 8191};
inline constexpr SumBound kInt8Bound = {2048, 8191};

/// to (columns,) = row / scale, rounded to the nearest integers, ties to even; returns the scale,
/// as small as -32767..32767 and kInt16Bound allow. 0 for a row of zeros.
float round_row(const float* row, Index columns, std::int16_t* to) noexcept;
/// The same in -127..127.
float round_row(const float* row, Index columns, std::int8_t* to) noexcept;

/// to (rows, columns) = integers times the scales of their rows.
template <class Integer>
void dequantize(const Integer* integers, const float* scales, Index rows, Index columns,
                float* to) noexcept {
  for (Index row = 0; row < rows; ++row) {
    for (Index k = 0; k < columns; ++k) *to++ = static_cast<float>(*integers++) * scales[row];
  }
}

/// Whether integers (columns,) are in those ranges and keep the bound, so that no sum of them
/// overflows.
bool sums_fit(const std::int16_t* row, Index columns) noexcept;
bool sums_fit(const std::int8_t* row, Index columns) noexcept;

}  // namespace peephole
