#pragma once

#include <type_traits>

#include "kernels/forward_cell.hpp"
#include "kernels/forward_one_row.hpp"
#include "kernels/forward_pass.hpp"
#include "kernels/forward_projection.hpp"
#include "kernels/side_by_side.hpp"
#include "kernels/tile.hpp"
#include "kernels/transpose.hpp"

/// The forward pass: for each step, tiles of rows times panels of units, each multiplied out and
/// carried through to c_t and h_t while its sums are in the nearest cache.
namespace peephole::kernels {
namespace {

/// Rows whose cells are computed side by side.
template <class V, class Sigma>
inline constexpr int kCellsAtOnce = !std::is_same_v<Sigma, StandardActivations> ? 1
                                    : V::registers == 32                        ? 3
                                                                                : 1;

template <class V, class Sigma>
class Forward {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kSums = kPanelRow<V>;
  static constexpr int kRows = kTileRows<V>;

  // Weights of more bytes do not stay in L2 from step to step: the next block is then fetched while
  // one is used, and blocks are short enough for both to fit beside the rows.
  static constexpr Index kCachedBytes = Index{3} << 19;
  static constexpr Index kBlockTerms = 512;

 public:
  Forward(const ForwardPass<T>& pass, const TeamPart& team)
      : pass_(pass),
        w_(pass.weights),
        team_(team),
        sigma_(pass),
        width_(w_.panels * kLanes),
        panel_size_(w_.terms * kSums),
        groups_(share(panel_groups(w_.panels))),
        panels_{groups_.begin * kGates, least(groups_.end * kGates, w_.panels)} {}

  void run() {
    if (pass_.step_count == 0) return;
    begin_rows(0, pass_.steps[0].rows, 0);
    for (Index s = 0; s < pass_.step_count; ++s) {
      if (s == chunk_end_) {
        chunk_end_ = project<V>(pass_, s, panels_);
        chunk_ = pass_.projected;
      }
      const bool projected = s < chunk_end_;
      wait();
      step({pass_.steps[s], s & 1, projected ? chunk_ : nullptr});
      const Index rows = pass_.steps[s].rows;
      const Index next = s + 1 < pass_.step_count ? pass_.steps[s + 1].rows : 0;
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
  /// The step at hand. State is read from the rows of its parity, and written to the others.
  struct Now {
    ForwardStep step;
    Index parity;
    const T* projected;  // b + W x of its rows; null: x is still to be multiplied
  };

  static Index panel_groups(Index panels) { return (panels + kGates - 1) / kGates; }
  /// Of rows of output_sums, which are read by groups of panels.
  Index output_width() const { return panel_groups(w_.panels) * kSums; }
  Range share(Index all) const {
    return {all * team_.part / team_.parts, all * (team_.part + 1) / team_.parts};
  }
  /// Units of a panel, without the padding.
  Index units(Index panel) const { return least(pass_.hidden_size - panel * kLanes, kLanes); }
  void wait() const {
    if (team_.parts > 1) team_.wait(team_.barrier);
  }

  /// Rows first <= row < last, if any, begin: their state is read.
  void begin_rows(Index first, Index last, Index parity) const {
    for (Index row = first; row < last; ++row) {
      for (Index p = panels_.begin; p < panels_.end; ++p) {
        const Index from = row * pass_.hidden_size + p * kLanes, to = row * width_ + p * kLanes;
        V::load(pass_.state_h + from, units(p)).store(pass_.h_rows[parity] + to);
        V::load(pass_.state_c + from, units(p)).store(pass_.c_rows[parity] + to);
      }
    }
  }

  /// Rows first <= row < last, if any, have ended: their state is written.
  void end_rows(Index first, Index last, Index parity) const {
    for (Index row = first; row < last; ++row) {
      for (Index p = panels_.begin; p < panels_.end; ++p) {
        const Index to = row * pass_.hidden_size + p * kLanes, from = row * width_ + p * kLanes;
        V::load(pass_.h_rows[parity] + from).store(pass_.state_h + to, units(p));
        V::load(pass_.c_rows[parity] + from).store(pass_.state_c + to, units(p));
      }
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
  }

  /// Panels are read in turn from first to last and from last to first, so that those still in
  /// cache come first.
  Index in_turn(const Now& now, Index i, Index count) const {
    return panels_.begin + (now.parity == 0 ? i : count - 1 - i);
  }

  void many_rows(const Now& now) const {
    const Index rows = now.step.rows, count = panels_.end - panels_.begin;
    const Index tiles = (rows + kRows - 1) / kRows;
    const bool cached = count * panel_size_ * Index{sizeof(T)} <= kCachedBytes;
    const Index block = cached || team_.parts > 1 ? w_.terms : kBlockTerms;
    for (Index i = 0; i < count; ++i) {
      const Index p = in_turn(now, i, count), next_p = in_turn(now, least(i + 1, count - 1), count);
      for (Index k = 0; k < w_.terms; k += block) {
        const Index end = least(k + block, w_.terms);
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

  /// All rows in one tile, of several panels where that alone makes enough independent sums.
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

  /// Where rows of a tile come from: x, h_{t-1} and, if dense, c_{t-1}.
  struct Terms {
    Factors<T> of[3];
  };
  Terms terms(const Now& now, Index row) const {
    return {{{pass_.x + now.step.x + row * pass_.x_stride, pass_.x_stride, pass_.input_size},
             {pass_.h_rows[now.parity] + row * width_, width_, pass_.hidden_size},
             {pass_.c_rows[now.parity] + row * width_, width_, pass_.hidden_size}}};
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
      k = pass_.input_size;
    }
    multiply<V, R, P, Begin::value, kAhead>(begin, from.of, k, w_.second_chain, weights,
                                            panel_size_, sums, ahead);
    if (w_.second_chain < w_.terms) {
      multiply<V, R, P, Begin::zero>({}, from.of, w_.second_chain, w_.terms, weights, panel_size_,
                                     sums);
    }
    for (int p = 0; p < P; ++p) {
      finish<R>(now, row, panel + p, {memory + p * kSums, P * kSums});
    }
  }

  /// Terms k <= .. < end of a tile; sums of unfinished ones are kept in memory.
  template <int R>
  void blocked_tile(const Now& now, Index row, Index panel, Index k, Index end,
                    const Ahead<T>& ahead) const {
    const Sums<T> sums = {pass_.sums + row * kSums, kSums};
    const Sums<const T> bias = {w_.bias + panel * kSums, 0};
    multiply<V, R, 1, Begin::value, true>(k == 0 ? bias : Sums<const T>{sums.data, sums.stride},
                                          terms(now, row).of, k, end,
                                          w_.panel + panel * panel_size_, 0, sums, ahead);
    if (end < w_.terms) return;
    finish<R>(now, row, panel, sums);
  }

  CellRows<T> cell_rows(const Now& now, Index row, Index panel) const {
    const Index unit = panel * kLanes, state = row * width_ + unit, packed = now.step.row + row;
    const Index next = now.parity ^ 1;
    return {
        units(panel),
        pass_.c_rows[now.parity] + state,
        pass_.c_rows[next] + state,
        pass_.h_rows[next] + state,
        pass_.h + now.step.h + row * pass_.h_stride + unit,
        pass_.c == nullptr ? nullptr : pass_.c + packed * pass_.hidden_size + unit,
        pass_.gates == nullptr ? nullptr : pass_.gates + packed * kGates * pass_.hidden_size + unit,
        pass_.hidden_size};
  }

  /// From the sums of some rows and a panel to c_t and h_t.
  template <int R>
  void finish(const Now& now, Index row, Index panel, Sums<T> sums) const {
    constexpr int kAtOnce = kCellsAtOnce<V, Sigma>;
    int r = 0;
    for (; r + kAtOnce <= R; r += kAtOnce) {
      cells<kAtOnce>(now, row + r, panel, {sums.data + r * sums.stride, sums.stride});
    }
    if constexpr (R % kAtOnce != 0) {
      cells<R % kAtOnce>(now, row + r, panel, {sums.data + r * sums.stride, sums.stride});
    }
  }

  /// The sums of N rows, by gates.
  template <int N>
  struct RowSums {
    Sums<T> sums;

    [[gnu::always_inline]] SideBySide<V, N> operator[](int gate) const {
      return SideBySide<V, N>::of([&](int n) __attribute__((always_inline)) {
        return V::load(sums.data + n * sums.stride + gate * kLanes);
      });
    }
  };

  template <int N>
  [[gnu::noinline]] void cells(const Now& now, Index row, Index panel, Sums<T> sums) const {
    const CellRows<T> first = cell_rows(now, row, panel);
    const T* const diagonal = w_.diagonal == nullptr ? nullptr : w_.diagonal + panel * kSums;
    const auto previous = SideBySide<V, N>::of([&](int n) __attribute__((always_inline)) {
      return V::load(first.c_previous + n * width_);
    });
    const auto y = cell(pass_, sigma_, RowSums<N>{sums}, diagonal, previous);
#pragma GCC unroll 6
    for (int n = 0; n < N; ++n) {
      const CellRows<T> rows = cell_rows(now, row + n, panel);
      const Cell<V> of_row = {y.i.v[n], y.f.v[n], y.g.v[n], y.o.v[n], y.c.v[n], y.h.v[n]};
      of_row.c.store(rows.c_next);
      of_row.h.store(rows.h_next);
      of_row.h.store(rows.h, rows.units);
      if (rows.gates != nullptr) store_training(of_row, rows);
      if (w_.dense_output != nullptr) {
        V::load(sums.data + n * sums.stride + kOutput * kLanes)
            .store(pass_.output_sums + (row + n) * output_width() + panel * kLanes);
      }
    }
  }

  /// An output gate with dense peepholes that reads c_t waits for all of it. The sums of four
  /// panels then take the place of those of four gates in a tile.
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
    const Index width = output_width(), next = now.parity ^ 1;
    const Sums<T> sums = {pass_.output_sums + row * width + group * kSums, width};
    const Factors<T> c = {pass_.c_rows[next] + row * width_, width_, pass_.hidden_size};
    multiply<V, R, 1, Begin::value>({sums.data, sums.stride}, &c, 0, c.size,
                                    w_.dense_output + group * c.size * kSums, 0, sums);
    const Index end = least((group + 1) * kGates, w_.panels);
    for (int r = 0; r < R; ++r) {
      for (Index p = group * kGates; p < end; ++p) {
        const CellRows<T> rows = cell_rows(now, row + r, p);
        const V o = sigma_.o(V::load(sums.data + r * width + (p % kGates) * kLanes));
        const V h = sigma_.c(V::load(rows.c_next)) * o;
        h.store(rows.h_next);
        h.store(rows.h, rows.units);
        if (rows.gates != nullptr) o.store(rows.gates + kOutput * rows.gate_stride, rows.units);
      }
    }
  }

  const ForwardPass<T>& pass_;
  const ForwardWeights<T>& w_;
  const TeamPart& team_;
  const Sigma sigma_;
  const Index width_, panel_size_;
  const Range groups_, panels_;

  Index chunk_end_ = 0;       // the step up to which x is projected
  const T* chunk_ = nullptr;  // the next step's sums among them
};

template <class V, class Sigma, class T = typename V::Scalar>
void forward_with(const ForwardPass<T>& pass, const TeamPart& team) {
  if (!one_row_of_few_units(pass, team)) {
    Forward<V, Sigma>(pass, team).run();
  } else if (pass.weights.panels == 1) {
    OneRowForward<V, 1, Sigma>(pass).run();
  } else {
    OneRowForward<V, 2, Sigma>(pass).run();
  }
}

template <template <class> class V, class T>
void forward(const ForwardPass<T>& pass, const TeamPart& team) noexcept {
  if (pass.standard) {
    forward_with<V<T>, StandardActivations>(pass, team);
  } else {
    forward_with<V<T>, ChosenActivations>(pass, team);
  }
}

template <template <class> class V>
constexpr ForwardKernels forward_kernels() {
  return {V<float>::lanes,       V<double>::lanes,   &transpose<V<float>>,
          &transpose<V<double>>, &forward<V, float>, &forward<V, double>};
}

}  // namespace
}  // namespace peephole::kernels
