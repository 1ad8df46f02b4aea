#pragma once

#include "kernels/plain/forward_task.hpp"
#include "kernels/simd/forward/cells-inl.hpp"
#include "kernels/simd/forward/projection-inl.hpp"
#include "kernels/simd/forward/recurrent_projection-inl.hpp"
#include "kernels/simd/tile-inl.hpp"

/// The forward pass over a batch: each step is computed in tiles of rows times panels of units. A
/// tile is multiplied and its cells computed, up to c_t and h_t, while its sums are in L1.
namespace peephole::kernels {
namespace {

template <class V>
class Forward {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kSums = kPanelRow<V>;
  static constexpr int kRows = kTileRows<V>;

  // Weights of more bytes do not stay in L2 from step to step: the next block is then prefetched
  // while one is used. Blocks are short enough for two of them to fit into L2 beside the rows.
  static constexpr Index kCachedBytes = Index{3} << 19;
  static constexpr Index kBlockTerms = 512;

 public:
  Forward(const ForwardTask<T>& task, const TeamPart& team)
      : task_(task),
        w_(task.weights),
        team_(team),
        cells_(task),
        projection_(task),
        width_(w_.panels * kLanes),
        panel_size_(w_.terms * kSums),
        groups_(share(panel_groups(w_.panels))),
        panels_{groups_.begin * kGates, min_index(groups_.end * kGates, w_.panels)},
        outputs_(share(projection_.groups())) {}

  void run() {
    if (task_.step_count == 0) return;
    begin_rows(0, task_.steps[0].rows, 0);
    for (Index s = 0; s < task_.step_count; ++s) {
      if (s == chunk_end_) {
        chunk_end_ = project<V>(task_, s, panels_);
        chunk_ = task_.projected;
      }
      const bool projected = s < chunk_end_;
      wait();
      step({task_.steps[s], s & 1, projected ? chunk_ : nullptr});
      const Index rows = task_.steps[s].rows;
      const Index next = s + 1 < task_.step_count ? task_.steps[s + 1].rows : 0;
      if (projected) {
        chunk_ += rows * w_.panels * kSums;
      } else {
        chunk_end_ = s + 1;
      }
      end_rows(next, rows, ~s & 1);
      begin_rows(rows, next, ~s & 1);
    }
  }

 private:
  using Now = StepNow<T>;

  Range share(Index all) const {
    return {all * team_.part / team_.parts, all * (team_.part + 1) / team_.parts};
  }
  void wait() const {
    if (team_.parts > 1) team_.wait(team_.barrier);
  }

  /// Reads the state of rows first <= row < last, which begin at this step.
  void begin_rows(Index first, Index last, Index parity) const {
    for (Index row = first; row < last; ++row) {
      for_h([&](Index k, Index n) __attribute__((always_inline)) {
        V::load(task_.state_h + row * task_.recurrent_size + k, n)
            .store(task_.h_rows[parity] + row * task_.h_width + k);
      });
      for (Index p = panels_.begin; p < panels_.end; ++p) {
        const Index from = row * task_.hidden_size + p * kLanes, to = row * width_ + p * kLanes;
        V::load(task_.state_c + from, cells_.units(p)).store(task_.c_rows[parity] + to);
      }
    }
  }

  /// Writes the state of rows first <= row < last, which have ended.
  void end_rows(Index first, Index last, Index parity) const {
    for (Index row = first; row < last; ++row) {
      for_h([&](Index k, Index n) __attribute__((always_inline)) {
        V::load(task_.h_rows[parity] + row * task_.h_width + k)
            .store(task_.state_h + row * task_.recurrent_size + k, n);
      });
      for (Index p = panels_.begin; p < panels_.end; ++p) {
        const Index to = row * task_.hidden_size + p * kLanes, from = row * width_ + p * kLanes;
        V::load(task_.c_rows[parity] + from).store(task_.state_c + to, cells_.units(p));
      }
    }
  }

  /// f(k, n) for each vector of h that this part writes: n values from the k-th on.
  template <class F>
  [[gnu::always_inline]] void for_h(const F& f) const {
    const Index per_group = kGates * kLanes, P = task_.recurrent_size;
    const Range columns = projection_.exists()
                              ? Range{outputs_.begin * per_group, outputs_.end * per_group}
                              : Range{panels_.begin * kLanes, panels_.end * kLanes};
    for (Index k = columns.begin; k < columns.end && k < P; k += kLanes) {
      f(k, min_index(P - k, kLanes));
    }
  }

  void step(const Now& now) const {
    if (now.step.rows < kRows) {
      with_constant<kRows>(now.step.rows, [&](auto rows) { few_rows<rows.value>(now); });
    } else {
      many_rows(now);
    }
    if (w_.dense_output != nullptr) {
      wait();
      outputs(now);
    }
    if (projection_.exists()) {
      wait();
      projection_.rows(now.step, now.parity ^ 1, outputs_);
    }
  }

  /// The i-th panel of a step. Steps alternate between first to last and last to first, so that the
  /// panels still in cache are read first.
  Index in_turn(const Now& now, Index i, Index count) const {
    return panels_.begin + (now.parity == 0 ? i : count - 1 - i);
  }

  void many_rows(const Now& now) const {
    const Index rows = now.step.rows, count = panels_.end - panels_.begin;
    const Index tiles = (rows + kRows - 1) / kRows;
    const bool cached = count * panel_size_ * Index{sizeof(T)} <= kCachedBytes;
    const Index block = cached || team_.parts > 1 ? w_.terms : kBlockTerms;
    for (Index i = 0; i < count; ++i) {
      const Index p = in_turn(now, i, count),
                  next_p = in_turn(now, min_index(i + 1, count - 1), count);
      for (Index k = 0; k < w_.terms; k += block) {
        const Index end = min_index(k + block, w_.terms);
        const T* next = w_.panel + p * panel_size_ + end * kSums;
        if (end == w_.terms) next = w_.panel + next_p * panel_size_;
        for (Index nth = 0; nth < tiles; ++nth) {
          const Index row = rows * nth / tiles, tile_rows = rows * (nth + 1) / tiles - row;
          with_constant<kRows>(tile_rows, [&](auto r) {
            const Index step = (kSums + tiles - 1) / tiles;
            const Ahead<T> ahead = {next + nth * (end - k) * step, step};
            if (cached) {
              tile<r.value, 1>(now, row, p);
            } else if (block < w_.terms) {
              blocked_tile<r.value>(now, row, p, k, end, ahead);
            } else {
              tile<r.value, 1, true>(now, row, p, ahead);
            }
          });
        }
      }
    }
  }

  /// All rows in one tile, of several panels if one panel has too few independent sums.
  template <int R>
  void few_rows(const Now& now) const {
    constexpr int kPanels = kTilePanels<V, R>;
    const Index count = panels_.end - panels_.begin, full = count / kPanels * kPanels;
    const auto rest = [&] {
      for (Index p = panels_.begin + full; p < panels_.end;) {
        if (kPanels > 2 && p + 2 <= panels_.end) {
          tile < R, kPanels<2 ? 1 : 2>(now, 0, p);
          p += 2;
        } else {
          tile<R, 1>(now, 0, p++);
        }
      }
    };
    if (now.parity != 0) rest();
    for (Index i = 0; i < full; i += kPanels) {
      const Index p = now.parity == 0 ? i : full - kPanels - i;
      tile<R, kPanels>(now, 0, panels_.begin + p);
    }
    if (now.parity == 0) rest();
  }

  /// The factors of a tile: rows of x, h_{t-1} and, with dense peepholes, c_{t-1}.
  struct Terms {
    Factors<T> of[3];
  };
  Terms terms(const Now& now, Index row) const {
    return {{{task_.x + now.step.x + row * task_.x_stride, task_.x_stride, task_.input_size},
             {task_.h_rows[now.parity] + row * task_.h_width, task_.h_width, task_.recurrent_size},
             {task_.c_rows[now.parity] + row * width_, width_, task_.hidden_size}}};
  }

  template <int R, int P, bool kAhead = false>
  void tile(const Now& now, Index row, Index panel, const Ahead<T>& ahead = {}) const {
    alignas(64) T memory[R * P * kSums];
    const Sums<T> sums = {memory, P * kSums};
    const Terms from = terms(now, row);
    const T* const weights = w_.panel + panel * panel_size_;
    Sums<const T> begin = {w_.bias + panel * kSums, 0};
    Index k = 0;
    if (now.projected != nullptr) {
      begin = {now.projected + (row * w_.panels + panel) * kSums, w_.panels * kSums};
      k = task_.input_size;
    }
    multiply<V, R, P, kAhead>(Begin::value, begin, from.of, k, w_.second_chain, weights,
                              panel_size_, sums, ahead);
    if (w_.second_chain < w_.terms) {
      multiply<V, R, P>(Begin::zero, {}, from.of, w_.second_chain, w_.terms, weights, panel_size_,
                        sums);
    }
    for (int p = 0; p < P; ++p) {
      cells_.template finish<R>(now, row, panel + p, {memory + p * kSums, P * kSums});
    }
  }

  /// Terms k up to `end` of a tile; between blocks, the sums are kept in memory.
  template <int R>
  void blocked_tile(const Now& now, Index row, Index panel, Index k, Index end,
                    const Ahead<T>& ahead) const {
    const Sums<T> sums = {task_.sums + row * kSums, kSums};
    const Sums<const T> bias = {w_.bias + panel * kSums, 0};
    multiply<V, R, 1, true>(Begin::value, k == 0 ? bias : Sums<const T>{sums.data, sums.stride},
                            terms(now, row).of, k, end, w_.panel + panel * panel_size_, 0, sums,
                            ahead);
    if (end < w_.terms) return;
    cells_.template finish<R>(now, row, panel, sums);
  }

  /// An output gate with dense peepholes that read c_t needs all of c_t first. A tile then has the
  /// output sums of four panels in place of the sums of four gates.
  void outputs(const Now& now) const {
    const Index rows = now.step.rows, tiles = (rows + kRows - 1) / kRows;
    for (Index group = groups_.begin; group < groups_.end; ++group) {
      for (Index nth = 0; nth < tiles; ++nth) {
        const Index row = rows * nth / tiles;
        with_constant<kRows>(rows * (nth + 1) / tiles - row,
                             [&](auto r) { output_tile<r.value>(now, row, group); });
      }
    }
  }

  /// o = σ_o(a_o + P_o c_t)   h_t = h(c_t) ⊙ o
  template <int R>
  void output_tile(const Now& now, Index row, Index group) const {
    const Index width = cells_.output_width(), next = now.parity ^ 1;
    const Sums<T> sums = {task_.output_sums + row * width + group * kSums, width};
    const Factors<T> c = {task_.c_rows[next] + row * width_, width_, task_.hidden_size};
    multiply<V, R, 1>(Begin::value, {sums.data, sums.stride}, &c, 0, c.size,
                      w_.dense_output + group * c.size * kSums, 0, sums);
    const Index end = min_index((group + 1) * kGates, w_.panels);
    for (int r = 0; r < R; ++r) {
      for (Index p = group * kGates; p < end; ++p) {
        const T* const sum = sums.data + r * width + (p % kGates) * kLanes;
        cells_.after_dense_output(now, row + r, p, V::load(sum));
      }
    }
  }

  const ForwardTask<T>& task_;
  const ForwardWeights<T>& w_;
  const TeamPart& team_;
  const ForwardCells<V> cells_;
  const RecurrentProjection<V> projection_;
  const Index width_, panel_size_;
  const Range groups_, panels_;
  const Range outputs_;  // groups of a projection's columns

  Index chunk_end_ = 0;       // the step up to which x is projected
  const T* chunk_ = nullptr;  // the next step's sums among them
};

}  // namespace
}  // namespace peephole::kernels
