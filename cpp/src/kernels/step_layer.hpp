#pragma once

#include "kernels/forward_cell.hpp"
#include "kernels/step_pass.hpp"
#include "kernels/tile.hpp"
#include "kernels/two_chains.hpp"

/// A layer at one step of one sequence: all that the forward kernels do around their sums for
/// batches, chunks and teams is left out, and nothing is copied.
namespace peephole::kernels {
namespace {

template <class V, class Sigma>
class LayerStep {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kSums = kPanelRow<V>;
  static constexpr int kPanels = kTilePanels<V, 1>;
  static constexpr int kPanelsOfTwoChains = 2;  // whose sums fit into registers

 public:
  LayerStep(const ForwardPass<T>& pass, const T* x)
      : pass_(pass), w_(pass.weights), sigma_(pass), x_(x) {}

  [[gnu::always_inline]] void run() const {
    const bool one_chain = w_.second_chain == w_.terms;
    if (!dense() && w_.panels <= (one_chain ? kPanels : kPanelsOfTwoChains)) return few_panels();
    many_panels();
  }

 private:
  /// Whether c is among the terms.
  bool dense() const { return w_.terms > pass_.input_size + pass_.hidden_size; }

  /// All sums are known before any of h is replaced.
  [[gnu::always_inline]] void few_panels() const {
    with_constant<kPanels>(w_.panels, [&](auto panels) __attribute__((always_inline)) {
      V sums[panels.value][kGates];
      if (w_.second_chain < w_.terms) {
        if constexpr (panels.value <= kPanelsOfTwoChains) two_chain_sums(sums);
      } else {
        one_chain_sums(0, sums);
      }
#pragma GCC unroll 4
      for (int p = 0; p < panels.value; ++p) {
        finish(p, sums[p], pass_.state_h, pass_.state_c);
      }
    });
  }

  template <int P>
  [[gnu::always_inline]] void two_chain_sums(V (&sums)[P][kGates]) const {
    const RowTerms<T> row = {w_.bias, x_, pass_.input_size, pass_.state_h};
    if constexpr (V::quarters && P == 2) {
      if (w_.narrow != nullptr) return two_chains_narrow(w_, row, sums);
    }
    two_chains(w_, row, sums);
  }

  /// Of the panels from `panel` on.
  template <int P>
  [[gnu::always_inline]] void one_chain_sums(Index panel, V (&sums)[P][kGates]) const {
    V chain[1][P][kGates];
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
      for (int gate = 0; gate < kGates; ++gate) {
        chain[0][p][gate] = V::load(w_.bias + (panel + p) * kSums + gate * kLanes);
      }
    }
    add_terms(0, w_.terms, panel, chain);
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
      for (int gate = 0; gate < kGates; ++gate) sums[p][gate] = chain[0][p][gate];
    }
  }

  /// Terms first <= k < last of x, h and c in turn.
  template <int P>
  [[gnu::always_inline]] void add_terms(Index first, Index last, Index panel,
                                        V (&chain)[1][P][kGates]) const {
    const Index I = pass_.input_size, H = pass_.hidden_size, stride = w_.terms * kSums;
    const T* const weights = w_.panel + panel * stride;
    const auto add = [&](const T* factors, Index begin, Index size) __attribute__((always_inline)) {
      const Index from = first > begin ? first : begin;
      const Index to = last < begin + size ? last : begin + size;
      if (from < to) {
        accumulate<V, 1, P>(chain, {factors + from - begin}, to - from, weights + from * kSums,
                            stride);
      }
    };
    add(x_, 0, I);
    add(pass_.state_h, I, H);
    if (dense()) add(pass_.state_c, I + H, H);
  }

  /// Tile after tile; h, and c where it is among the terms, are replaced when all sums are formed.
  void many_panels() const {
    T* const h = pass_.h_rows[1];
    T* const c = dense() ? pass_.c_rows[1] : pass_.state_c;
    const Index full = w_.panels / kPanels * kPanels;
    for (Index p = 0; p < full; p += kPanels) tile<kPanels>(p, h, c);
    for (Index p = full; p < w_.panels; ++p) tile<1>(p, h, c);
    for (Index p = 0; p < w_.panels; ++p) {
      V::load(h + p * kLanes).store(pass_.state_h + p * kLanes);
      if (dense()) V::load(c + p * kLanes).store(pass_.state_c + p * kLanes);
    }
  }

  template <int P>
  void tile(Index panel, T* h, T* c) const {
    V sums[P][kGates];
    if (w_.second_chain < w_.terms) {
      V chain[2][1][P][kGates];
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
        for (int gate = 0; gate < kGates; ++gate) {
          chain[0][0][p][gate] = V::load(w_.bias + (panel + p) * kSums + gate * kLanes);
          chain[1][0][p][gate] = V::zero();
        }
      }
      add_terms(0, w_.second_chain, panel, chain[0]);
      add_terms(w_.second_chain, w_.terms, panel, chain[1]);
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
        for (int gate = 0; gate < kGates; ++gate) {
          sums[p][gate] = chain[0][0][p][gate] + chain[1][0][p][gate];
        }
      }
    } else {
      one_chain_sums(panel, sums);
    }
    for (int p = 0; p < P; ++p) finish(panel + p, sums[p], h, c);
  }

  /// From the sums of one panel to its c_t and h_t.
  [[gnu::always_inline]] void finish(Index panel, const V (&sums)[kGates], T* h, T* c) const {
    const T* const diagonal = w_.diagonal == nullptr ? nullptr : w_.diagonal + panel * kSums;
    const Index unit = panel * kLanes;
    const Cell<V> y = cell(pass_, sigma_, sums, diagonal, V::load(pass_.state_c + unit));
    y.c.store(c + unit);
    y.h.store(h + unit);
  }

  const ForwardPass<T>& pass_;
  const ForwardWeights<T>& w_;
  const Sigma sigma_;
  const T* const x_;
};

}  // namespace
}  // namespace peephole::kernels
