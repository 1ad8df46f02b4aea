#pragma once

#include "kernels/simd/backward/inputs-inl.hpp"
#include "kernels/simd/backward/projection-inl.hpp"
#include "kernels/simd/backward/sums-inl.hpp"
#include "kernels/simd/backward/weights_narrow-inl.hpp"

/// The gradients of weights, from all da of a chunk.
namespace peephole::kernels {
namespace {

/// A share of what a chunk adds to
///
///     dW_k = Σ_t da_k x_tᵀ   dR_k = Σ_t da_k h_{t-1}ᵀ   dP_k = Σ_t da_k c_{t-1}ᵀ
template <class V>
class WeightGradients {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kGroup = kGroupVectors * kLanes;
  static constexpr int kRows = kTileRows<V>;
  static constexpr Index kLine = kLineValues<T>;

  static constexpr Index kMaxRuns = kProductRows / kGroupVectors;  // listed for one product
  // The gradients of so few rows cost little but their writing: they are written row by row.
  static constexpr int kFewRows = 3;

 public:
  WeightGradients(const BackwardTask<T>& task, const BackwardChunk& chunk,
                  const ProductShare& share)
      : task_(task),
        chunk_(chunk),
        share_(share),
        hidden_(task.hidden_size),
        first_(chunk.first == 0 && !task.accumulate),
        inputs_(task.inputs + share.thread * task.inputs_size),
        panels_(task.panels + share.thread * task.panels_size) {}

  void run() const {
    GateSums<V>(task_, chunk_, share_).run();
    if (task_.dweight_hr != nullptr) ProjectionGradient<V>(task_, chunk_, share_).run();
    const Index P = task_.recurrent_size;
    const Inputs<V> x = {task_, chunk_, task_.x, task_.x_stride, nullptr, 0};
    const Inputs<V> h = {task_, chunk_, task_.h, task_.h_stride, task_.initial_h, P};
    T* dW = task_.dweight_ih;
    T* dR = task_.dweight_hh;
    if (task_.dweight_ih_columns != nullptr) {
      NarrowGradient<V>(x, task_.input_size, share_).run(task_.dweight_ih_columns, dW);
      dW = nullptr;
    }
    if (task_.dweight_hh_columns != nullptr) {
      NarrowGradient<V>(h, P, share_).run(task_.dweight_hh_columns, dR);
      dR = nullptr;
    }
    if (dW == nullptr && dR == nullptr && task_.dweight_ch == nullptr) return;
    // Each block of a gradient stays in L2 for all rows of the chunk: memory is read and written
    // once per chunk.
    const Index end = first_column(share_.nth + 1);
    for (Index m = first_column(share_.nth); m < end; m += task_.block_columns) {
      const Columns block = {m, min_index(m + task_.block_columns, end)};
      if (in_panels() && !task_.da.in_panels) pack(block);
      if (dW != nullptr) gradient(x, task_.input_size, m, block, dW);
      if (dR != nullptr) gradient(h, P, m, block, dR);
      if (task_.dweight_ch != nullptr) dense_peepholes(block);
    }
  }

 private:
  /// Columns of da, which are rows of the gradient.
  struct Columns {
    Index begin, end;
  };

  /// The first column of the nth share, at the beginning of a line.
  Index first_column(Index nth) const {
    const Index columns = kGates * hidden_, lines = (columns + kLine - 1) / kLine;
    return min_index(lines * nth / share_.count * kLine, columns);
  }
  bool few_rows() const { return first_ && chunk_.rows <= kFewRows; }
  bool in_panels() const { return task_.da.in_panels || (task_.panels_size > 0 && !few_rows()); }
  /// The panel of a line of da, in a block that begins at column `origin`.
  const T* panel(Index column, Index origin) const {
    if (task_.da.in_panels) return task_.da.data + offset(task_.da, column);
    return panels_ + (column - origin) / kLine * chunk_.rows * kLine + (column - origin) % kLine;
  }
  /// da of the chunk's row `row`.
  const T* da(Index row) const { return task_.da.data + row * task_.da.row_stride; }

  /// panels_ = columns of da by lines, each (rows, kLine), so that a tile's factors are one run of
  /// memory. Read from da itself, one line per row, a product takes 15 % longer.
  void pack(Columns block) const {
    constexpr Index kAtOnce = 4;  // lines of a row
    const Index panel = chunk_.rows * kLine;
    for (Index m = block.begin; m < block.end; m += kAtOnce * kLine) {
      const Index width = min_index(kAtOnce * kLine, block.end - m);
      T* const to = panels_ + (m - block.begin) / kLine * panel;
      for (Index row = 0; row < chunk_.rows; ++row) {
        const T* const from = da(row) + m;
        for (Index k = 0; k < width; k += kLanes) {
          V::load(from + k, min_index(width - k, kLanes))
              .store(to + k / kLine * panel + row * kLine + k % kLine);
        }
      }
    }
  }

  /// The gradient (.., width) of some columns, in a block that begins at `origin`.
  void gradient(const Inputs<V>& inputs, Index width, Index origin, Columns columns,
                T* gradient) const {
    if (few_rows()) {
      with_constant<kFewRows>(chunk_.rows, [&](auto R) {
        gradient_of_few_rows<R.value>(inputs, width, columns, gradient);
      });
      return;
    }
    for (Index first = 0; first < width; first += kGroup) {
      const Index taken = min_index(kGroup, width - first);
      for (Index row = 0; row < chunk_.rows; row += kProductRows) {
        const Index end = min_index(row + kProductRows, chunk_.rows);
        inputs.gather(row, end, first, taken, inputs_);
        const bool last = end == chunk_.rows;
        const Index then = !last ? first : first + kGroup < width ? first + kGroup : 0;
        const Product product = {row, end, taken, inputs, last ? 0 : end, then};
        for (Index m = columns.begin; m < columns.end;) {
          // Columns up to the end of a panel are next to each other.
          const Index in_panel = (task_.da.in_panels ? m : m - origin) % kLine;
          const Index panel_end =
              in_panels() ? min_index(m + kLine - in_panel, columns.end) : columns.end;
          const Left<T> left = in_panels() ? Left<T>{panel(m, origin), kLine}
                                           : Left<T>{da(0) + m, task_.da.row_stride};
          block(product, columns, {m, panel_end}, left, {gradient + first, width, 0});
          m = panel_end;
        }
      }
    }
  }

  /// The product of rows row <= r < end of a chunk and a group of inputs.
  struct Product {
    Index row, end;
    Index width;  // of the group
    // What is gathered next.
    const Inputs<V>& inputs;
    Index next_row, next_column;
  };

  /// The product for some of the columns: `da` (rows of the chunk, columns).
  void block(const Product& product, Columns all, Columns columns, const Left<T>& da,
             Result<T> result) const {
    const Index vectors = (product.width + kLanes - 1) / kLanes;
    const Index begin = columns.begin, count = columns.end - begin;
    const Index tiles = (count + kRows - 1) / kRows;
    const Right<T> right = {inputs_, vectors * kLanes, 0, 0};
    const Onto onto = first_ && product.row == 0 ? Onto::nothing : Onto::after;
    T* const gradient = result.data;
    result.tail = product.width - (vectors - 1) * kLanes;
    for (Index nth = 0; nth < tiles; ++nth) {
      const Index column = count * nth / tiles, last = count * (nth + 1) / tiles;
      const Left<T> left = {da.data + product.row * da.stride + column, da.stride};
      result.data = gradient + (begin + column) * result.stride;
      const T* runs[kMaxRuns];
      Upcoming<T> upcoming = {runs, 0, nullptr, 0};
      if (in_panels()) {
        upcoming.listed =
            kGroupVectors * list(product, all, begin + column, begin + last,
                                 gradient + (begin + last) * result.stride, result.stride, runs);
        upcoming.terms = upcoming.listed;
      }
      with_constant<kRows>(last - column, [&](auto R) {
        with_constant<kGroupVectors>(vectors, [&](auto C) {
          product_tile<V, R.value, C.value, true, false>(left, right, product.end - product.row,
                                                         onto, result, upcoming);
        });
      });
    }
  }

  /// Lists what to prefetch during the tile of columns column <= m < end: the gradients of the next
  /// tile and a part of the inputs that are gathered next.
  Index list(const Product& product, Columns all, Index column, Index end, const T* gradients,
             Index stride, const T** runs) const {
    Index count = 0;
    for (; count < kRows; ++count) runs[count] = gradients + count * stride;
    const Index rows = min_index(kProductRows, chunk_.rows - product.next_row);
    const Index size = all.end - all.begin;
    const Index last = product.next_row + rows * (end - all.begin) / size;
    for (Index row = product.next_row + rows * (column - all.begin) / size;
         row < last && count < kMaxRuns; ++row) {
      runs[count++] = product.inputs.row(row) + product.next_column;
    }
    return count;
  }

  template <int R>
  void gradient_of_few_rows(const Inputs<V>& inputs, Index width, Columns columns,
                            T* gradient) const {
    const T* from[R];
    for (int r = 0; r < R; ++r) from[r] = inputs.row(r);
    for (Index first = 0; first < width; first += kGroup) {
      const Index taken = min_index(kGroup, width - first);
      with_constant<kGroupVectors>((taken + kLanes - 1) / kLanes, [&](auto C) {
        write_columns<R, C.value>(from, first, taken - (C.value - 1) * kLanes, columns,
                                  {gradient + first, width, 0});
      });
    }
  }

  template <int R, int C>
  void write_columns(const T* const (&from)[R], Index first, Index tail, Columns columns,
                     const Result<T>& result) const {
    V x[R][C];
    const T* factors[R];
#pragma GCC unroll 3
    for (int r = 0; r < R; ++r) {
      factors[r] = da(r);
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) {
        x[r][c] = V::load(from[r] + first + c * kLanes, c == C - 1 ? tail : kLanes);
      }
    }
    T* to = result.data + columns.begin * result.stride;
    for (Index m = columns.begin; m < columns.end; ++m, to += result.stride) {
      V sums[C];
#pragma GCC unroll 3
      for (int r = 0; r < R; ++r) {
        const V factor = V::broadcast(factors[r][m]);
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) {
          sums[c] = r == 0 ? x[0][c] * factor : fma(x[r][c], factor, sums[c]);
        }
      }
#pragma GCC unroll 4
      for (int c = 0; c < C - 1; ++c) sums[c].store(to + c * kLanes);
      if (tail == kLanes) {
        sums[C - 1].store(to + (C - 1) * kLanes);
      } else {
        sums[C - 1].store(to + (C - 1) * kLanes, tail);
      }
    }
  }

  void dense_peepholes(Columns block) const {
    for (int gate = 0; gate < kGates; ++gate) {
      const Index begin = gate * hidden_, end = begin + hidden_;
      const Columns columns = {begin > block.begin ? begin : block.begin,
                               min_index(block.end, end)};
      if (columns.begin >= columns.end) continue;
      if ((task_.dense_gates >> gate & 1u) == 0) {
        if (first_) zero(columns, task_.dweight_ch);
        continue;
      }
      const bool current = gate == kOutput && task_.output_reads_current;
      gradient(peephole_inputs<V>(task_, chunk_, current), hidden_, block.begin, columns,
               task_.dweight_ch);
    }
  }

  void zero(Columns columns, T* gradient) const {
    for (Index k = columns.begin * hidden_; k < columns.end * hidden_; ++k) gradient[k] = T(0);
  }

  const BackwardTask<T>& task_;
  const BackwardChunk& chunk_;
  const ProductShare share_;
  const Index hidden_;
  const bool first_;  // no gradients before: overwrite
  T* const inputs_;   // (kProductRows, kGroup)
  T* const panels_;   // (block_columns / kLine, rows, kLine)
};

}  // namespace
}  // namespace peephole::kernels
