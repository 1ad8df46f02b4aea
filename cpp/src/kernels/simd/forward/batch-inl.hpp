#pragma once

#include "kernels/simd/forward/pass-inl.hpp"

/// The forward pass over a batch: each step is computed in tiles of rows times panels of units. A
/// tile is multiplied and its cells computed, up to c_t and h_t, while its sums are in L1.
namespace peephole::kernels {
namespace {

template <class V>
class Forward : public ForwardPass<V, Forward<V>> {
  using Base = ForwardPass<V, Forward<V>>;
  using Base::cells_;
  using Base::in_turn;
  using Base::kRows;
  using Base::kSums;
  using Base::panels_;
  using Base::task_;
  using Base::team_;
  using Base::w_;
  using Base::width_;
  using typename Base::Now;
  using typename Base::T;

  // Weights of more bytes do not stay in L2 from step to step: the next block is then prefetched
  // while one is used. Blocks are short enough for two of them to fit into L2 beside the rows.
  static constexpr Index kCachedBytes = Index{3} << 19;
  static constexpr Index kBlockTerms = 512;

 public:
  Forward(const ForwardTask<T>& task, const TeamPart& team)
      : Base(task, team), panel_size_(w_.terms * kSums) {}

  Index project(Index s) const { return kernels::project<V>(task_, s, panels_); }

  void panels(const Now& now) const {
    if (now.step.rows < kRows) {
      with_constant<kRows>(now.step.rows, [&](auto rows) { few_rows<rows.value>(now); });
    } else {
      many_rows(now);
    }
  }

 private:
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
    if constexpr (R == 1 && P > 1) {
      cells_.finish_row(now, row, panel, P, memory);
    } else {
      for (int p = 0; p < P; ++p) {
        cells_.template finish<R>(now, row, panel + p, {memory + p * kSums, P * kSums});
      }
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

  const Index panel_size_;
};

}  // namespace
}  // namespace peephole::kernels
