#pragma once

#include <cstdint>

#include "peephole/types.hpp"

/// Integer matrices, and the integers that they are multiplied with, in the arguments of the
/// kernels.
///
/// A matrix W is w / s_r, rounded, with a scale s_r for each of its rows; a row of factors f, of
/// x, h or c, is f / s_f, rounded, with a scale of its own. A product is summed in integers,
/// exactly, over a block of terms; blocks are added in float, in order, and the sum is multiplied
/// by s_r s_f. So its bits depend neither on the instruction set nor on how rows and units are
/// divided.
namespace peephole::kernels {

/// The largest integers that stand for factors: a symmetric range.
inline constexpr int kMostInt16 = 8191;
inline constexpr int kMostInt8 = 127;

/// Terms that are summed in integers before they are added in float. Of int16 weights, a row's
/// scale is chosen so that the sum of |w| over a block times kMostInt16 is below 2^31; of int8
/// weights, 2048 * 127 * 8191 is below it too. So no sum overflows, whatever the factors are.
inline constexpr Index kInt16BlockTerms = 128;
inline constexpr Index kInt8BlockTerms = 2048;

/// The weights of one product. Instructions multiply words of 32 bits: pairs of terms, with factors
/// of 16 bits; or, where weights and factors are of 8 bits and the processor can, quads. Terms are
/// padded with zeros to whole words.
///
/// In panels of `lanes` units: (panels, 4 / group, words, group, lanes, terms of a word), with the
/// group of gates that a tile of the instruction set computes at a time.
///
/// Where the processor multiplies quads by unsigned factors, they are stored as q + 128 (see
/// QuantizedKernels::quad_offset). `offsets` makes up for it: -128 times the sum of the weights of
/// a block.
struct IntegerPanels {
  const void* data;             // int16 or int8; null: there is no such product
  const float* scales;          // (panels, 4, lanes)
  const std::int32_t* offsets;  // (blocks, panels, 4, lanes); null for pairs
  Index panels;
  Index terms;        // without padding
  Index block_terms;  // those of a block
  bool is_int8;       // the weights
  int most;           // the largest factor
};

struct QuantizedWeights {
  bool any;
  IntegerPanels input;      // W; null: W x is computed in float
  IntegerPanels recurrent;  // R
  IntegerPanels dense;      // P, of dense peepholes that read c_{t-1}
};

/// Rows of factors as integers, and the scale of each row.
struct FactorRows {
  std::int32_t* words;
  float* scales;
  Index row_words;  // for whole vectors

  FactorRows from(Index row) const { return {words + row * row_words, scales + row, row_words}; }
};

/// Sums that are kept until their cells are computed: some 24 KB, so that they stay in L1; but at
/// least those of a panel.
inline constexpr Index kQuantizedSums = 6144;

/// Scratch of one part of a team.
struct QuantizedRows {
  FactorRows x, h, c;
  float* sums;  // (rows, 4, lanes) of a panel, or of several: kQuantizedSums
};

}  // namespace peephole::kernels
