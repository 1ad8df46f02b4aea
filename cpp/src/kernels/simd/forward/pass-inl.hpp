#pragma once

#include "kernels/plain/forward_task.hpp"
#include "kernels/simd/forward/cells-inl.hpp"
#include "kernels/simd/forward/projection-inl.hpp"
#include "kernels/simd/forward/recurrent_projection-inl.hpp"
#include "kernels/simd/tile-inl.hpp"

/// What all forward passes over a batch have in common: the state of rows that begin and end, the
/// order of the panels, and what follows when all panels of a step are computed.
namespace peephole::kernels {
namespace {

/// Pass has
///   Index project(Index s)          fills task.projected for the steps from s up to the one
///                                   returned, or returns s
///   void panels(const StepNow<T>&)  computes the cells of one step, of this part's panels
template <class V, class Pass>
class ForwardPass {
 protected:
  using T = typename V::Scalar;
  using Now = StepNow<T>;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kSums = kPanelRow<V>;
  static constexpr int kRows = kTileRows<V>;

 public:
  ForwardPass(const ForwardTask<T>& task, const TeamPart& team)
      : task_(task),
        w_(task.weights),
        team_(team),
        cells_(task),
        projection_(task),
        width_(task.c_width),
        groups_(share(panel_groups(w_.panels))),
        panels_{groups_.begin * kGates, min_index(groups_.end * kGates, w_.panels)},
        outputs_(share(projection_.groups())) {}

  void run() {
    if (task_.step_count == 0) return;
    begin_rows(0, task_.steps[0].rows, 0);
    for (Index s = 0; s < task_.step_count; ++s) {
      if (s == chunk_end_) {
        chunk_end_ = pass().project(s);
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

 protected:
  /// The i-th panel of a step. Steps alternate between first to last and last to first, so that the
  /// panels still in cache are read first.
  Index in_turn(const Now& now, Index i, Index count) const {
    return panels_.begin + (now.parity == 0 ? i : count - 1 - i);
  }

  const ForwardTask<T>& task_;
  const ForwardWeights<T>& w_;
  const TeamPart& team_;
  const ForwardCells<V> cells_;
  const RecurrentProjection<V> projection_;
  const Index width_;
  const Range groups_, panels_;
  const Range outputs_;  // groups of a projection's columns

 private:
  const Pass& pass() const { return static_cast<const Pass&>(*this); }
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
    pass().panels(now);
    if (w_.dense_output != nullptr) {
      wait();
      outputs(now);
    }
    if (projection_.exists()) {
      wait();
      projection_.rows(now.step, now.parity ^ 1, outputs_);
    } else if (cells_.copies_h(now)) {
      copy_h(now);
    }
  }

  /// h of a step, of this part's panels, into the caller's array.
  void copy_h(const Now& now) const {
    for (Index row = 0; row < now.step.rows; ++row) {
      const T* const from = task_.h_rows[now.parity ^ 1] + row * task_.h_width;
      T* const to = task_.h + now.step.h + row * task_.h_stride;
      for (Index p = panels_.begin; p < panels_.end; ++p) {
        V::load(from + p * kLanes).store(to + p * kLanes, cells_.units(p));
      }
    }
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

  Index chunk_end_ = 0;       // the step up to which x is projected
  const T* chunk_ = nullptr;  // the next step's sums among them
};

}  // namespace
}  // namespace peephole::kernels
