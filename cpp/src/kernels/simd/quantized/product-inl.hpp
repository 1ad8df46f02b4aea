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
  const std::int32_t* words;
  const float* scales;
  Index row_words;

  RowsOfFactors(const FactorRows& rows, Index first)
      : words(rows.words + first * rows.row_words),
        scales(rows.scales + first),
        row_words(rows.row_words) {}
};

/// Words as they are multiplied.
template <class I, class W>
struct Pairs {
  using Integers = I;
  using Value = typename I::Value;
  using Weight = W;
  static constexpr Index terms = 2;
  [[gnu::always_inline]] static Value weights(const W* p) { return I::weights(p); }
  [[gnu::always_inline]] static Value add(Value sum, Value a, Value b) {
    return I::add_products(sum, a, b);
  }
};
template <class I>
struct Quads {
  using Integers = I;
  using Value = typename I::Value;
  using Weight = std::int8_t;
  static constexpr Index terms = 4;
  [[gnu::always_inline]] static Value weights(const Weight* p) { return I::quads_of(p); }
  [[gnu::always_inline]] static Value add(Value sum, Value a, Value b) {
    return I::add_quads(sum, a, b);
  }
};

/// Where the sums of several blocks go when the last one is complete:
/// sums (R, 4, lanes) = begin + s_r s_f total, from the first gate of the tile on.
struct Scaled {
  const float* of_weights;  // (4, lanes)
  const float* of_factors;  // (R,)
  Sums<const float> begin;
  Sums<float> sums;
};

/// totals (R, kVectors, lanes) += Σ w f over `count` words of terms, of G groups of gates; or, with
/// `scaled`, what follows from that sum. totals may be null there, for zeros. Not inlined, so that
/// the registers are the sums' alone.
///
/// The weights of the nth group begin at weights + nth * group_stride. offsets: (4, lanes) from the
/// first group on, or null.
template <class Words, int R, int G, class Weight = typename Words::Weight>
[[gnu::noinline]] void add_block(const Weight* weights, Index group_stride,
                                 const std::int32_t* words, Index row_words, Index count,
                                 const std::int32_t* offsets, float* totals, const Scaled* scaled) {
  using Integers = typename Words::Integers;
  using Value = typename Words::Value;
  using V = typename Integers::Float;
  constexpr int kGroup = kGateGroup<V>, kVectors = G * kGroup;
  Value products[R][kVectors];
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      products[r][v] =
          Words::terms == 4 ? Integers::sums(offsets + v * V::lanes) : Integers::zero();
    }
  }
#pragma GCC unroll 1
  for (const std::int32_t* const end = words + count; words != end; ++words) {
    Value of_gates[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      of_gates[v] = Words::weights(weights + v / kGroup * group_stride +
                                   v % kGroup * V::lanes * Words::terms);
    }
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      const Value word = Integers::factors(words + r * row_words);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        products[r][v] = Words::add(products[r][v], of_gates[v], word);
      }
    }
    weights += kGroup * V::lanes * Words::terms;
  }
  const auto each = [&](const auto& f) __attribute__((always_inline)) {
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) f(r, v);
    }
  };
  V sums[R][kVectors];
  each([&](int r, int v) __attribute__((always_inline)) { sums[r][v] = to_float(products[r][v]); });
  if (totals != nullptr) {
    each([&](int r, int v) __attribute__((always_inline)) {
      sums[r][v] = V::load(totals + (r * kVectors + v) * V::lanes) + sums[r][v];
    });
  }
  if (scaled == nullptr) {
    each([&](int r, int v) __attribute__((always_inline)) {
      sums[r][v].store(totals + (r * kVectors + v) * V::lanes);
    });
    return;
  }
  const Scaled to = *scaled;
  each([&](int r, int v) __attribute__((always_inline)) {
    fma(sums[r][v] * V::load(to.of_weights + v * V::lanes), V::broadcast(to.of_factors[r]),
        V::load(to.begin.data + r * to.begin.stride + v * V::lanes))
        .store(to.sums.data + r * to.sums.stride + v * V::lanes);
  });
}

/// sums (R, 4, lanes) = begin + s_r s_f Σ w f, of G groups of one panel from `gate` on. begin and
/// sums may be the same.
template <class Words, int R, int G>
void add_words(const IntegerPanels& w, Index panel, int gate, const RowsOfFactors& factors,
               Sums<const float> begin, Sums<float> sums) {
  using V = typename Words::Integers::Float;
  constexpr Index kLanes = V::lanes;
  constexpr int kGroup = kGateGroup<V>;
  constexpr Index kWeights = kGroup * kLanes * Words::terms;  // of a word
  constexpr Index kTotals = R * G * kGroup * kLanes;
  const Index words = (w.terms + Words::terms - 1) / Words::terms;
  const Index block = w.block_terms / Words::terms, group = words * kWeights;
  const auto* weights =
      static_cast<const typename Words::Weight*>(w.data) + (panel * kGates + gate) / kGroup * group;
  const std::int32_t* offsets =
      Words::terms == 4 ? w.offsets + (panel * kGates + gate) * kLanes : nullptr;
  const Index at = gate * kLanes;
  const Scaled scaled = {w.scales + panel * kGates * kLanes + at,
                         factors.scales,
                         {begin.data + at, begin.stride},
                         {sums.data + at, sums.stride}};
  if (words <= block) {
    add_block<Words, R, G>(weights, group, factors.words, factors.row_words, words, offsets,
                           nullptr, &scaled);
    return;
  }
  alignas(64) float totals[kTotals];
  for (Index i = 0; i < kTotals; i += kLanes) V::zero().store(totals + i);
  for (Index first = 0; first < words; first += block) {
    const Index count = min_index(block, words - first);
    add_block<Words, R, G>(weights, group, factors.words + first, factors.row_words, count, offsets,
                           totals, first + count == words ? &scaled : nullptr);
    weights += count * kWeights;
    if constexpr (Words::terms == 4) offsets += w.panels * kGates * kLanes;
  }
}

template <class Integers, int R, int G>
[[gnu::noinline]] void add_product(const IntegerPanels& w, Index panel, int gate,
                                   const RowsOfFactors& factors, Sums<const float> begin,
                                   Sums<float> sums) {
  if constexpr (Integers::quads) {
    if (w.offsets != nullptr) {
      return add_words<Quads<Integers>, R, G>(w, panel, gate, factors, begin, sums);
    }
  }
  if (w.is_int8) {
    add_words<Pairs<Integers, std::int8_t>, R, G>(w, panel, gate, factors, begin, sums);
  } else {
    add_words<Pairs<Integers, std::int16_t>, R, G>(w, panel, gate, factors, begin, sums);
  }
}

template <class T>
[[gnu::always_inline]] inline Sums<T> rows_from(const Sums<T>& sums, Index row) {
  return {sums.data + row * sums.stride, sums.stride};
}

/// f(Int<R>(), row) for tiles of about equally many of `rows` rows, R from `row` on.
template <class F>
[[gnu::always_inline]] inline void for_tiles(Index rows, const F& f) {
  const Index tiles = (rows + kIntegerRows - 1) / kIntegerRows;
  for (Index nth = 0; nth < tiles; ++nth) {
    const Index row = rows * nth / tiles;
    with_constant<kIntegerRows>(rows * (nth + 1) / tiles - row, [&](auto R) { f(R, row); });
  }
}

/// sums (rows, 4, lanes) = begin + the product of one panel. A group of gates at a time, whose
/// weights then stay in L1 from tile to tile.
template <class Integers, class V = typename Integers::Float>
void multiply_panel(const IntegerPanels& w, Index panel, const FactorRows& factors, Index rows,
                    Sums<const float> begin, Sums<float> sums) {
  if (rows <= 2) {
    with_constant<2>(rows, [&](auto R) {
      add_product<Integers, R.value, kTileGroups<V, R.value>>(w, panel, 0, {factors, 0}, begin,
                                                              sums);
    });
    return;
  }
  for (int gate = 0; gate < kGates; gate += kGateGroup<V>) {
    for_tiles(rows, [&](auto R, Index row) {
      add_product<Integers, R.value, 1>(w, panel, gate, {factors, row}, rows_from(begin, row),
                                        rows_from(sums, row));
    });
  }
}

/// sums (rows, 4, lanes) = begin + W x of one panel, where W is in float. x: the first of the rows.
template <class V>
void input_in_float(const ForwardTask<float>& task, const float* x, Index rows, Index panel,
                    Sums<const float> begin, Sums<float> sums) {
  const float* const weights = task.weights.panel + panel * task.weights.terms * kPanelRow<V>;
  for (Index row = 0; row < rows; row += kTileRows<V>) {
    const Factors<float> factors = {x + row * task.x_stride, task.x_stride, task.input_size};
    with_constant<kTileRows<V>>(min_index(rows - row, kTileRows<V>), [&](auto R) {
      multiply<V, R.value, 1>(Begin::value, rows_from(begin, row), &factors, 0, factors.size,
                              weights, 0, rows_from(sums, row));
    });
  }
}

}  // namespace
}  // namespace peephole::kernels
