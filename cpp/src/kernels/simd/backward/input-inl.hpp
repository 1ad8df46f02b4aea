#pragma once

#include "kernels/plain/backward_task.hpp"
#include "kernels/simd/backward/tile-inl.hpp"

/// The gradient of x, from all da of a chunk.
namespace peephole::kernels {
namespace {

/// dx of a share of the rows of a chunk:
///
///     dx_t = Σ_k W_kᵀ da_k
template <class V>
class InputGradient {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kGroup = kGroupVectors * kLanes;
  static constexpr int kRows = kTileRows<V>;

  // Terms that are multiplied at a time if da is too large to stay in L2 from group to group.
  static constexpr Index kCachedBytes = Index{1} << 20;
  static constexpr Index kBlockTerms = 512;
  static constexpr int kOneRowGroups = 4;

 public:
  InputGradient(const BackwardTask<T>& task, const BackwardChunk& chunk, const ProductShare& share)
      : task_(task),
        chunk_(chunk),
        hidden_(task.hidden_size),
        rows_{chunk.rows * share.nth / share.count, chunk.rows * (share.nth + 1) / share.count} {}

  void run() const {
    const Range rows = rows_;
    if (rows.begin == rows.end) return;
    if (task_.weights.weight_ih_columns != nullptr) {
      with_constant<kNarrowInput>(task_.input_size, [&](auto I) { narrow<I.value>(rows); });
      return;
    }
    const ColumnGroups<T>& W = task_.weights.weight_ih;
    const Index terms = kGates * hidden_;
    if (!W.padded && chunk_.rows == 1) {
      if (rows.begin < rows.end) one_row();
      return;
    }
    const bool cached = terms * (rows.end - rows.begin) * Index{sizeof(T)} <= kCachedBytes;
    const Index block = cached ? terms : kBlockTerms;
    for (Index k = 0; k < terms; k += block) {
      for (Index first = 0; first < task_.input_size; first += kGroup) {
        const Index width = min_index(kGroup, task_.input_size - first);
        const Index tail = width - (width - 1) / kLanes * kLanes;
        const T* const weights = W.data + first / kGroup * W.group_stride + k * W.row_stride;
        const Right<T> right = {weights, W.row_stride, 0, tail};
        const bool more = W.padded && first + kGroup < task_.input_size;
        block_of_columns(rows, first, width, {k, min_index(k + block, terms)}, right,
                         more ? weights + W.group_stride : nullptr);
      }
    }
  }

 private:
  struct Range {
    Index begin, end;
  };

  static Index round_up(Index n, Index unit) { return (n + unit - 1) / unit * unit; }
  /// da of the chunk's row `row`.
  const T* da(Index row, Index term = 0) const {
    return task_.da.data + row * task_.da.row_stride + offset(task_.da, term);
  }

  /// Prefetches the weights of the next group, from `next` on.
  void block_of_columns(Range rows, Index first, Index width, Range terms, const Right<T>& right,
                        const T* next) const {
    const Index count = rows.end - rows.begin, tiles = (count + kRows - 1) / kRows;
    const Index size = terms.end - terms.begin;
    const Index share = next == nullptr ? 0 : (size * kGroupVectors + tiles - 1) / tiles;
    const Onto onto = terms.begin == 0 ? Onto::nothing : Onto::before;
    const bool partial = !task_.weights.weight_ih.padded && right.tail < kLanes;
    for (Index nth = 0; nth < tiles; ++nth) {
      const Index row = rows.begin + count * nth / tiles;
      const Index end = rows.begin + count * (nth + 1) / tiles;
      const Left<T> left = {da(row, terms.begin), task_.da.row_stride, task_.da.line_stride};
      const Result<T> result = {task_.dx + (chunk_.row + row) * task_.dx_stride + first,
                                task_.dx_stride, right.tail};
      const Upcoming<T> upcoming = {nullptr, 0, next + nth * share * kLanes, share};
      const Index vectors = (width + kLanes - 1) / kLanes;
      if (partial) {
        product_by_rows<V>(vectors, left, right, size, onto, result, end - row);
        continue;
      }
      with_constant<kRows>(end - row, [&](auto R) {
        with_constant<kGroupVectors>(vectors, [&](auto C) {
          product_tile<V, R.value, C.value, false, false>(left, right, size, onto, result,
                                                          upcoming);
        });
      });
    }
  }

  /// One row, with weights that are not packed: several groups at a time, since one alone has too
  /// few independent sums.
  void one_row() const {
    const ColumnGroups<T>& W = task_.weights.weight_ih;
    const Index I = task_.input_size, terms = kGates * hidden_;
    T* const dx = task_.dx + chunk_.row * task_.dx_stride;
    Index first = 0;
    for (Index groups = I / kGroup; groups > 0;) {
      const Index taken = min_index(groups, kOneRowGroups);
      const Right<T> right = {W.data + first, W.row_stride, W.group_stride, kLanes};
      with_constant<kOneRowGroups>(taken, [&](auto P) {
        product_tile<V, 1, P.value * kGroupVectors, false, false>(
            Left<T>{da(0), 0}, right, terms, Onto::nothing, Result<T>{dx + first, 0, kLanes});
      });
      groups -= taken;
      first += taken * kGroup;
    }
    if (first == I) return;
    const Index vectors = (I - first + kLanes - 1) / kLanes;
    const Right<T> right = {W.data + first, W.row_stride, 0, I - first - (vectors - 1) * kLanes};
    with_constant<kGroupVectors>(vectors, [&](auto C) {
      V sums[C.value];
      chained_product<kGates, true>(sums, da(0), hidden_, right, terms);
      for (int c = 0; c < C.value; ++c) {
        sums[c].store(dx + first + c * kLanes, c == C.value - 1 ? right.tail : kLanes);
      }
    });
  }

  /// If a row of x does not fill a vector, the vectors are taken along da.
  template <int I>
  void narrow(Range rows) const {
    constexpr int kSums = V::registers == 32 ? 24 : 8;
    constexpr int R = kSums / I > 6 ? 6 : kSums / I;
    Index row = rows.begin;
    for (; row + R <= rows.end; row += R) narrow_tile<R, I>(row);
    for (; row < rows.end; ++row) narrow_tile<1, I>(row);
  }

  template <int R, int I>
  void narrow_tile(Index row) const {
    const Index terms = kGates * hidden_, columns = round_up(terms, kLanes);
    V sums[R][I];
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int i = 0; i < I; ++i) sums[r][i] = V::zero();
    }
    const auto add = [&](Index k, const V(&factor)[R]) {
#pragma GCC unroll 8
      for (int i = 0; i < I; ++i) {
        const V w = V::load(task_.weights.weight_ih_columns + i * columns + k);
#pragma GCC unroll 6
        for (int r = 0; r < R; ++r) sums[r][i] = fma(w, factor[r], sums[r][i]);
      }
    };
    const Lines<T> lines = task_.da;
    const T* from[R];
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) from[r] = da(row + r);
    V factor[R];
    Index k = 0, at = 0;
    for (; k + kLanes <= terms; at = next_offset<kLanes>(lines, k, at), k += kLanes) {
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) factor[r] = V::load(from[r] + at);
      add(k, factor);
    }
    if (k < terms) {
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) factor[r] = V::load(from[r] + at, terms - k);
      add(k, factor);
    }
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      T* const dx = task_.dx + (chunk_.row + row + r) * task_.dx_stride;
#pragma GCC unroll 8
      for (int i = 0; i < I; ++i) dx[i] = sum(sums[r][i]);
    }
  }

  const BackwardTask<T>& task_;
  const BackwardChunk& chunk_;
  const Index hidden_;
  const Range rows_;
};

}  // namespace
}  // namespace peephole::kernels
