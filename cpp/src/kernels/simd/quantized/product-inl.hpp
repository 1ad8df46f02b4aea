#pragma once

#include "kernels/plain/quantized_task.hpp"
#include "kernels/simd/tile-inl.hpp"

/// The product of integer weights and factors: a few rows times one panel, with the sums in
/// registers.
namespace peephole::kernels {
namespace {

/// Gates whose sums are in registers at a time, and the rows of the largest tile. With 16
/// registers 6 rows of 2 vectors take 12, beside 2 weights, a factor and a product; with 32, 6 rows of 4
/// vectors take 24.
template <class V>
inline constexpr int kGateGroup = V::registers == 32 ? kGates : 2;
inline constexpr int kIntegerRows = 6;

/// Rows first <= r of a tile.
struct RowsOfFactors {
  const std::int32_t* pairs;
  const float* scales;
  Index words;  // from row to row

  RowsOfFactors(const FactorRows& rows, Index first)
      : pairs(rows.pairs + first * rows.words), scales(rows.scales + first), words(rows.words) {}
};

/// sums (R, group, lanes) += Σ w f over `words` pairs of terms, of a group of gates. Weights and pairs
/// advance. Not inlined, so that the registers are the sums' alone.
template <class Integers, class Weight, int R>
[[gnu::noinline]] void add_block(const Weight* weights, const std::int32_t* pairs, Index row_words,
                                 Index words, float* sums) {
  using V = typename Integers::Float;
  constexpr int kGroup = kGateGroup<V>;
  Integers products[R][kGroup];
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int g = 0; g < kGroup; ++g) products[r][g] = Integers::zero();
  }
#pragma GCC unroll 1
  for (const std::int32_t* const end = pairs + words; pairs != end; ++pairs) {
    Integers of_gates[kGroup];
#pragma GCC unroll 4
    for (int g = 0; g < kGroup; ++g) of_gates[g] = Integers::weights(weights + g * V::lanes * 2);
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      const Integers pair = Integers::factors(pairs + r * row_words);
#pragma GCC unroll 4
      for (int g = 0; g < kGroup; ++g) {
        products[r][g] = add_products(products[r][g], of_gates[g], pair);
      }
    }
    weights += kGroup * V::lanes * 2;
  }
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int g = 0; g < kGroup; ++g) {
      float* const sum = sums + (r * kGroup + g) * V::lanes;
      (V::load(sum) + to_float(products[r][g])).store(sum);
    }
  }
}

/// sums (R, 4, lanes) = begin + s_r s_f Σ w f, of one panel and one type of weights.
template <class Integers, class Weight, int R>
[[gnu::noinline]] void add_integer_product(const IntegerPanels& w, Index panel,
                                           const RowsOfFactors& factors, Sums<const float> begin,
                                           Sums<float> sums) {
  using V = typename Integers::Float;
  constexpr Index kLanes = V::lanes;
  constexpr int kGroup = kGateGroup<V>;
  constexpr Index kWeights = kGroup * kLanes * 2;  // of a pair of terms
  const Index words = (w.terms + 1) / 2, block = w.block_terms / 2;
  const auto* weights =
      static_cast<const Weight*>(w.data) + panel * (kGates / kGroup) * words * kWeights;
#pragma GCC unroll 1
  for (int gate = 0; gate < kGates; gate += kGroup) {
    alignas(64) float totals[R * kGroup * kLanes];
    for (int i = 0; i < R * kGroup; ++i) V::zero().store(totals + i * kLanes);
#pragma GCC unroll 1
    for (Index first = 0; first < words; first += block) {
      const Index count = min_index(block, words - first);
      add_block<Integers, Weight, R>(weights, factors.pairs + first, factors.words, count, totals);
      weights += count * kWeights;
    }
    const float* const scales = w.scales + (panel * kGates + gate) * kLanes;
#pragma GCC unroll 1
    for (int r = 0; r < R; ++r) {
      const V of_row = V::broadcast(factors.scales[r]);
#pragma GCC unroll 4
      for (int g = 0; g < kGroup; ++g) {
        const Index at = (gate + g) * kLanes;
        fma(V::load(totals + (r * kGroup + g) * kLanes) * of_row, V::load(scales + g * kLanes),
            V::load(begin.data + r * begin.stride + at))
            .store(sums.data + r * sums.stride + at);
      }
    }
  }
}

template <class Integers, int R>
[[gnu::always_inline]] inline void add_product(const IntegerPanels& w, Index panel,
                                               const RowsOfFactors& factors,
                                               Sums<const float> begin, Sums<float> sums) {
  if (w.is_int8) {
    add_integer_product<Integers, std::int8_t, R>(w, panel, factors, begin, sums);
  } else {
    add_integer_product<Integers, std::int16_t, R>(w, panel, factors, begin, sums);
  }
}

}  // namespace
}  // namespace peephole::kernels
