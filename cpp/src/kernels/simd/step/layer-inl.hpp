#pragma once

#include <type_traits>

#include "kernels/plain/step_task.hpp"
#include "kernels/simd/forward/cell-inl.hpp"
#include "kernels/simd/tile-inl.hpp"

/// One step of one sequence through a layer. Without what the forward kernels do for batches,
/// chunks and teams: nothing is copied, and the weights are read as one run of memory.
namespace peephole::kernels {
namespace {

/// Some consecutive factors, and the weights of the first of them.
template <class T>
struct StepTerms {
  const T* factors;
  Index size;
  const T* weights;
};

/// sums += factors * weights, in order.
template <class V, int N, class T = typename V::Scalar>
[[gnu::always_inline]] inline void add_terms(const StepTerms<T>& terms, V (&sums)[N]) {
  const T* weights = terms.weights;
#pragma GCC unroll 2
  for (Index k = 0; k < terms.size; ++k, weights += N * V::lanes) {
    const V factor = V::broadcast(terms.factors[k]);
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n) sums[n] = fma(V::load(weights + n * V::lanes), factor, sums[n]);
  }
}

template <class V, class Sigma>
class LayerStep {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kSums = kPanelRow<V>;
  static constexpr int kPanels = kTilePanels<V, 1>;
  static constexpr bool kStandard = std::is_same_v<Sigma, StandardActivations>;

 public:
  LayerStep(StepTask<T>& step, const T* x)
      : step_(step),
        task_(step.layer),
        w_(task_.weights),
        sigma_(task_),
        x_(x),
        dense_(w_.terms > task_.input_size + task_.hidden_size) {}

  [[gnu::always_inline]] void run() {
    if (w_.panels <= step_.tile_panels && !dense_) {
      // All sums are complete before h is replaced.
      const Tile only = {0, step_.whole_panels, step_.tail_vectors, step_.weights};
      if constexpr (kStandard) {
        tile(only, task_.state_h, task_.state_c);
      } else {
        shared_tile(only, task_.state_h, task_.state_c);
      }
    } else {
      many_tiles();
    }
  }

 private:
  /// Steps alternate between first to last tile and last to first, so that the tiles still in cache
  /// come first. h, and c if it is among the terms, are replaced when all sums are complete.
  void many_tiles() {
    T* const h = task_.h_rows[1];
    T* const c = dense_ ? task_.c_rows[1] : task_.state_c;
    const Index each = step_.tile_panels, last = (w_.panels - 1) / each;
    for (Index n = 0; n <= last; ++n) {
      const Index nth = step_.backwards ? last - n : n, panel = nth * each;
      const T* const weights = step_.weights + panel * kSums * w_.terms;
      const Tile now = nth == last
                           ? Tile{panel, step_.whole_panels - panel, step_.tail_vectors, weights}
                           : Tile{panel, each, 0, weights};
      // A call costs little next to a tile of many panels.
      if constexpr (kStandard && kPanels <= 2) {
        tile(now, h, c);
      } else {
        shared_tile(now, h, c);
      }
    }
    step_.backwards = !step_.backwards;
    for (Index p = 0; p < w_.panels; ++p) {
      V::load(h + p * kLanes).store(task_.state_h + p * kLanes);
      if (dense_) V::load(c + p * kLanes).store(task_.state_c + p * kLanes);
    }
  }

  /// Some whole panels from `panel` on and, with tail vectors, the layer's last one: at most
  /// kPanels in all.
  struct Tile {
    Index panel;
    Index whole;
    int tail_vectors;
    const T* weights;
  };

  [[gnu::always_inline]] void tile(const Tile& of, T* h, T* c) const {
    if constexpr (V::quarters) {
      if (of.tail_vectors == 1) return tailed_tile<1>(of, h, c);
      if (of.tail_vectors == 2) return tailed_tile<2>(of, h, c);
    }
    with_constant<kPanels>(of.whole, [&](auto P) __attribute__((always_inline)) {
      tile<P.value, 0>(of.panel, of.weights, h, c);
    });
  }
  /// The same, compiled once: each copy costs the compiler a dozen tiles.
  [[gnu::noinline]] void shared_tile(const Tile& of, T* h, T* c) const { tile(of, h, c); }

  template <int kTail>
  [[gnu::always_inline]] void tailed_tile(const Tile& of, T* h, T* c) const {
    with_constant<kPanels>(of.whole + 1, [&](auto P) __attribute__((always_inline)) {
      tile<P.value - 1, kTail>(of.panel, of.weights, h, c);
    });
  }

  /// P whole panels and, with kTail vectors, the last one.
  template <int P, int kTail>
  [[gnu::always_inline]] void tile(Index panel, const T* weights, T* h, T* c) const {
    constexpr int N = P * kGates + kTail;
    V sums[N];
    begin<P, kTail>(panel, sums);
    constexpr bool kMayHaveTwoChains = P + (kTail > 0 ? 1 : 0) <= kPanelsOfTwoChains;
    if (!kMayHaveTwoChains || w_.second_chain == w_.terms) {
      add_range(0, w_.terms, weights, sums);
    } else if constexpr (kMayHaveTwoChains) {
      V second[N];
#pragma GCC unroll 16
      for (int n = 0; n < N; ++n) second[n] = V::zero();
      if (2 * N < V::registers && !dense_) {
        add_side_by_side(weights, sums, second);
      } else {
        add_range(0, w_.second_chain, weights, sums);
        add_range(w_.second_chain, w_.terms, weights, second);
      }
#pragma GCC unroll 16
      for (int n = 0; n < N; ++n) sums[n] = sums[n] + second[n];
    }
    finish<P, kTail>(panel, sums, h, c);
  }

  /// The biases.
  template <int P, int kTail, int N>
  [[gnu::always_inline]] void begin(Index panel, V (&sums)[N]) const {
    const T* const bias = w_.bias + panel * kSums;
#pragma GCC unroll 16
    for (int n = 0; n < P * kGates; ++n) sums[n] = V::load(bias + n * kLanes);
    const T* const tail = bias + P * kSums;
    if constexpr (kTail == 1) sums[N - 1] = V::load_quarters(tail);
    if constexpr (kTail == 2) {
      sums[N - 2] = V::load_halves(tail, tail + kLanes);
      sums[N - 1] = V::load_halves(tail + 2 * kLanes, tail + 3 * kLanes);
    }
  }

  /// Terms first <= k < last of x, h and c in turn.
  template <int N>
  [[gnu::always_inline]] void add_range(Index first, Index last, const T* weights,
                                        V (&sums)[N]) const {
    const auto add = [&](const T* factors, Index begin, Index size) __attribute__((always_inline)) {
      const Index from = first > begin ? first : begin;
      const Index to = last < begin + size ? last : begin + size;
      if (from < to) {
        add_terms<V, N>({factors + from - begin, to - from, weights + from * N * kLanes}, sums);
      }
    };
    const Index I = task_.input_size, H = task_.hidden_size;
    add(x_, 0, I);
    add(task_.state_h, I, H);
    if (dense_) add(task_.state_c, I + H, H);
  }

  /// Both chains together, if registers hold the sums of both.
  template <int N>
  [[gnu::always_inline]] void add_side_by_side(const T* weights, V (&first)[N],
                                               V (&second)[N]) const {
    const Index I = task_.input_size, both = w_.terms - w_.second_chain;
    const Index last = w_.second_chain - I - both;  // 1 where H is odd
    const T* const h = task_.state_h;
    const T* const a = weights + I * N * kLanes;
    const T* const b = weights + w_.second_chain * N * kLanes;
    add_terms<V, N>({x_, I, weights}, first);
    for (Index k = 0; k < both; ++k) {
      add_terms<V, N>({h + k, 1, a + k * N * kLanes}, first);
      add_terms<V, N>({h + both + last + k, 1, b + k * N * kLanes}, second);
    }
    add_terms<V, N>({h + both, last, a + both * N * kLanes}, first);
  }

  /// From the sums of all panels to c_t and h_t. c_t of all panels comes first: this gives enough
  /// independent operations.
  template <int P, int kTail, int N>
  [[gnu::always_inline]] void finish(Index panel, const V (&sums)[N], T* h, T* c) const {
    OpenCell<V> open[P + 1];
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
      const V of_panel[kGates] = {sums[p * kGates], sums[p * kGates + 1], sums[p * kGates + 2],
                                  sums[p * kGates + 3]};
      open[p] = begin_cell(panel + p, of_panel, c);
    }
    const auto end_panels = [&]() __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) sigma_.close(open[p]).h.store(h + (panel + p) * kLanes);
    };
    if constexpr (kTail > 0) {
      if constexpr (kStandard) {
        if (gates_alike(task_)) {
          const auto tail = begin_tail<kTail>(panel + P, &sums[P * kGates], c);
          end_panels();
          // All lanes: a load of a whole vector would wait for a shorter store to reach the cache.
          V::widen(sigma_.close(tail).h).store(h + (panel + P) * kLanes);
          return;
        }
      }
      V of_panel[kGates];
      split<kTail>(&sums[P * kGates], of_panel);
      open[P] = begin_cell(panel + P, of_panel, c);
      end_panels();
      sigma_.close(open[P]).h.store(h + (panel + P) * kLanes);
    } else {
      end_panels();
    }
  }

  [[gnu::always_inline]] const T* diagonal(Index panel) const {
    return w_.diagonal == nullptr ? nullptr : w_.diagonal + panel * kSums;
  }

  [[gnu::always_inline]] OpenCell<V> begin_cell(Index panel, const V (&sums)[kGates], T* c) const {
    const Index unit = panel * kLanes;
    const OpenCell<V> open =
        open_cell(task_, sigma_, sums, diagonal(panel), V::load(task_.state_c + unit));
    open.c.store(c + unit);
    return open;
  }

  /// The cell of the last panel, whose gates share vectors.
  template <int kTail>
  [[gnu::always_inline]] auto begin_tail(Index panel, const V* sums, T* c) const {
    const Index unit = panel * kLanes;
    const auto open = [&]() __attribute__((always_inline)) {
      if constexpr (kTail == 1) {
        return open_quarters(task_, sums[0], diagonal(panel),
                             V::Quarter::load(task_.state_c + unit));
      } else {
        return open_halves(task_, sums[0], sums[1], diagonal(panel),
                           V::Half::load(task_.state_c + unit));
      }
    }();
    open.c.store(c + unit);
    return open;
  }

  template <int kTail>
  [[gnu::always_inline]] static void split(const V* shared, V (&gates)[kGates]) {
    if constexpr (kTail == 1) {
      split_quarters(shared[0], gates);
    } else {
      gates[kInput] = V::widen(shared[0].template half<0>());
      gates[kForget] = V::widen(shared[0].template half<1>());
      gates[kCell] = V::widen(shared[1].template half<0>());
      gates[kOutput] = V::widen(shared[1].template half<1>());
    }
  }

  StepTask<T>& step_;
  const ForwardTask<T>& task_;
  const ForwardWeights<T>& w_;
  const Sigma sigma_;
  const T* const x_;
  const bool dense_;  // c is among the terms
};

}  // namespace
}  // namespace peephole::kernels
