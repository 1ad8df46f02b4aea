#pragma once

#include "kernels/plain/quantized_task.hpp"
#include "kernels/simd/tile-inl.hpp"

/// The product of integer weights and factors: a few rows times one panel, with the sums in
/// registers.
namespace peephole::kernels {
namespace {

/// Gates whose weights stand side by side, and the rows of the largest tile. With 16 registers the
/// sums of 6 rows and 2 gates take 12, beside 2 weights, a factor and a product; with 32, those of
/// 6 rows and 4 gates take 24.
template <class V>
inline constexpr int kGateGroup = V::registers == 32 ? kGates : 2;
inline constexpr int kIntegerRows = 6;

/// Groups that a tile of R rows computes at a time: few rows leave registers for all gates.
template <class V, int R>
inline constexpr int kTileGroups = R <= 2 ? kGates / kGateGroup<V> : 1;

/// Rows first <= r of a tile.
struct RowsOfFactors {
  const std::int32_t* pairs;
  const float* scales;
  Index words;  // from row to row

  RowsOfFactors(const FactorRows& rows, Index first)
      : pairs(rows.pairs + first * rows.words), scales(rows.scales + first), words(rows.words) {}
};

/// The weights of one panel: those of its nth group of gates begin at data + nth * group_stride.
template <class Weight>
struct PanelWeights {
  const Weight* data;
  Index group_stride;
};

/// sums (R, kVectors, lanes) = Σ w f over `words` pairs of terms, of G groups of gates; or, with
/// `add`, += it. Not inlined, so that the registers are the sums' alone.
template <class Integers, int R, int G, class Weight>
[[gnu::noinline]] void add_block(PanelWeights<Weight> weights, const std::int32_t* pairs,
                                 Index row_words, Index words, bool add, float* sums) {
  using V = typename Integers::Float;
  constexpr int kGroup = kGateGroup<V>, kVectors = G * kGroup;
  Integers products[R][kVectors];
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) products[r][v] = Integers::zero();
  }
#pragma GCC unroll 2
  for (const std::int32_t* const end = pairs + words; pairs != end; ++pairs) {
    Integers of_gates[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      of_gates[v] = Integers::weights(weights.data + v / kGroup * weights.group_stride +
                                      v % kGroup * V::lanes * 2);
    }
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      const Integers pair = Integers::factors(pairs + r * row_words);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        products[r][v] = add_products(products[r][v], of_gates[v], pair);
      }
    }
    weights.data += kGroup * V::lanes * 2;
  }
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      float* const sum = sums + (r * kVectors + v) * V::lanes;
      const V of_block = to_float(products[r][v]);
      if (add) {
        (V::load(sum) + of_block).store(sum);
      } else {
        of_block.store(sum);
      }
    }
  }
}

/// sums (R, 4, lanes) = begin + s_r s_f Σ w f, of G groups of one panel from `gate` on. begin and
/// sums may be the same.
template <class Integers, int R, int G, class Weight>
void add_typed_product(const IntegerPanels& w, Index panel, int gate, const RowsOfFactors& factors,
                       Sums<const float> begin, Sums<float> sums) {
  using V = typename Integers::Float;
  constexpr Index kLanes = V::lanes;
  constexpr int kGroup = kGateGroup<V>, kVectors = G * kGroup;
  constexpr Index kWeights = kGroup * kLanes * 2;  // of a pair of terms
  const Index words = (w.terms + 1) / 2, block = w.block_terms / 2, group = words * kWeights;
  PanelWeights<Weight> weights = {
      static_cast<const Weight*>(w.data) + (panel * kGates + gate) / kGroup * group, group};
  alignas(64) float totals[R * kVectors * kLanes];
  for (Index first = 0; first < words; first += block) {
    const Index count = min_index(block, words - first);
    add_block<Integers, R, G>(weights, factors.pairs + first, factors.words, count, first > 0,
                              totals);
    weights.data += count * kWeights;
  }
  const float* const scales = w.scales + (panel * kGates + gate) * kLanes;
#pragma GCC unroll 1
  for (int r = 0; r < R; ++r) {
    const V of_row = V::broadcast(factors.scales[r]);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const Index at = (gate + v) * kLanes;
      fma(V::load(totals + (r * kVectors + v) * kLanes) * V::load(scales + v * kLanes), of_row,
          V::load(begin.data + r * begin.stride + at))
          .store(sums.data + r * sums.stride + at);
    }
  }
}

template <class Integers, int R, int G>
[[gnu::noinline]] void add_product(const IntegerPanels& w, Index panel, int gate,
                                   const RowsOfFactors& factors, Sums<const float> begin,
                                   Sums<float> sums) {
  if (w.is_int8) {
    add_typed_product<Integers, R, G, std::int8_t>(w, panel, gate, factors, begin, sums);
  } else {
    add_typed_product<Integers, R, G, std::int16_t>(w, panel, gate, factors, begin, sums);
  }
}

}  // namespace
}  // namespace peephole::kernels
