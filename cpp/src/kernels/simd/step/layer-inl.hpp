#pragma once

#include <type_traits>

#include "kernels/plain/step_task.hpp"
#include "kernels/simd/forward/cell-inl.hpp"
#include "kernels/simd/forward/recurrent_projection-inl.hpp"
#include "kernels/simd/step/sums-inl.hpp"

/// One step of one sequence through a layer. Without what the forward kernels do for batches,
/// chunks and teams: nothing is copied, and the weights are read as one run of memory.
namespace peephole::kernels {
namespace {

template <class V, class Sigma>
class LayerStep {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kSums = kPanelRow<V>;
  static constexpr int kPanels = kTilePanels<V, 1>;
  using Tile = StepTile<T>;
  static constexpr bool kStandard = std::is_same_v<Sigma, StandardActivations>;

 public:
  LayerStep(StepTask<T>& step, const T* x)
      : step_(step),
        task_(step.layer),
        w_(task_.weights),
        sigma_(task_),
        sums_(task_, x),
        projection_(task_) {}

  [[gnu::always_inline]] void run() {
    if (w_.panels <= step_.tile_panels && !sums_.dense()) {
      // All sums are complete before h is replaced.
      const Tile only = {0, step_.whole_panels, step_.tail_vectors, step_.weights};
      T* const h = projection_.exists() ? task_.m_rows : task_.state_h;
      if constexpr (kStandard) {
        tile(only, h, task_.state_c);
      } else {
        shared_tile(only, h, task_.state_c);
      }
    } else {
      many_tiles();
    }
    if (projection_.exists()) projection_.alone(task_.state_h);
  }

 private:
  /// Steps alternate between first to last tile and last to first, so that the tiles still in cache
  /// come first. h, and c if it is among the terms, are replaced when all sums are complete.
  void many_tiles() {
    const bool projects = projection_.exists();
    T* const h = projects ? task_.m_rows : task_.h_rows[1];
    T* const c = sums_.dense() ? task_.c_rows[1] : task_.state_c;
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
      if (!projects) V::load(h + p * kLanes).store(task_.state_h + p * kLanes);
      if (sums_.dense()) V::load(c + p * kLanes).store(task_.state_c + p * kLanes);
    }
  }

  [[gnu::always_inline]] void tile(const Tile& of, T* h, T* c) const {
    with_tile<V>(of, [&](auto P, auto tail) __attribute__((always_inline)) {
      V sums[P.value * kGates + tail.value];
      sums_.template compute<P.value, tail.value>(of.panel, of.weights, sums);
      finish<P.value, tail.value>(of.panel, sums, h, c);
    });
  }

  /// The same, with sums that are compiled once, and of two panels at a time.
  [[gnu::noinline]] void shared_tile(const Tile& of, T* h, T* c) const {
    alignas(64) T memory[StepSums<V>::kMost * kLanes];
    sums_.compute(of, memory);
    const T* sums = memory;
    Index panel = of.panel;
    const Index end = panel + of.whole;
    if constexpr (kStandard) {
      for (; panel + 2 <= end; panel += 2, sums += 2 * kSums) finish<2, 0>(panel, sums, h, c);
    }
    for (; panel < end - (of.tail_vectors > 0 ? 1 : 0); ++panel, sums += kSums) {
      finish<1, 0>(panel, sums, h, c);
    }
    if constexpr (V::quarters) {
      if (of.tail_vectors == 1) return last_panels<1>(end - panel, panel, sums, h, c);
      if (of.tail_vectors == 2) return last_panels<2>(end - panel, panel, sums, h, c);
    }
  }

  /// The last whole panel, if there is one left, and the one whose gates share vectors.
  template <int kTail>
  [[gnu::always_inline]] void last_panels(Index whole, Index panel, const T* sums, T* h,
                                          T* c) const {
    if constexpr (kStandard) {
      if (whole == 1) return finish<1, kTail>(panel, sums, h, c);
    } else if (whole == 1) {
      finish<1, 0>(panel++, sums, h, c);
      sums += kSums;
    }
    finish<0, kTail>(panel, sums, h, c);
  }

  template <int P, int kTail>
  [[gnu::always_inline]] void finish(Index panel, const T* from, T* h, T* c) const {
    V sums[P * kGates + kTail];
#pragma GCC unroll 16
    for (int n = 0; n < P * kGates + kTail; ++n) sums[n] = V::load(from + n * kLanes);
    finish<P, kTail>(panel, sums, h, c);
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
  const StepSums<V> sums_;
  const RecurrentProjection<V> projection_;
};

}  // namespace
}  // namespace peephole::kernels
