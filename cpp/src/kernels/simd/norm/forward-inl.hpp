#pragma once

#include "kernels/plain/forward_task.hpp"
#include "kernels/simd/forward/projection-inl.hpp"
#include "kernels/simd/norm/row-inl.hpp"
#include "kernels/simd/tile-inl.hpp"

/// The forward pass of a layer with layer normalisation. A row's sums must be complete for all
/// units before they are normalised: the products of a block of rows are stored, and then the cells
/// are computed row by row.
namespace peephole::kernels {
namespace {

/// Products in floating point.
template <class V>
class FloatProducts {
  using T = typename V::Scalar;
  static constexpr Index kSums = kPanelRow<V>;
  static constexpr int kRows = kTileRows<V>;

 public:
  explicit FloatProducts(const ForwardTask<T>& task)
      : task_(task),
        w_(task.weights),
        row_sums_(w_.panels * kSums),
        panel_size_(w_.terms * kSums) {}

  /// Fills task.projected: see project().
  Index project(Index s) const { return kernels::project<V>(task_, s, {0, w_.panels}); }

  /// sums (count, panels, 4, lanes) = W x of rows from `first` on.
  void of_input(const ForwardStep& now, Index first, Index count, T* sums) const {
    multiply(nullptr, terms(now, first), 0, task_.input_size, count, sums);
  }
  /// The same of R h, added to `begin` unless that is null.
  void of_recurrence(const ForwardStep& now, Index first, Index count, const T* begin,
                     T* sums) const {
    multiply(begin, terms(now, first), task_.input_size, w_.terms, count, sums);
  }
  /// The same of W x + R h.
  void of_both(const ForwardStep& now, Index first, Index count, T* sums) const {
    multiply(nullptr, terms(now, first), 0, w_.terms, count, sums);
  }

 private:
  struct Terms {
    Factors<T> of[2];  // x, h_{t-1}
  };
  Terms terms(const ForwardStep& now, Index first) const {
    return {{{task_.x + now.x + first * task_.x_stride, task_.x_stride, task_.input_size},
             {task_.state_h + first * task_.hidden_size, task_.hidden_size, task_.hidden_size}}};
  }

  /// sums (count, panels, 4, lanes) = begin, or 0 for null, + terms k_begin <= k < k_end.
  void multiply(const T* begin, const Terms& terms, Index k_begin, Index k_end, Index count,
                T* sums) const {
    if (count < kRows) {
      with_constant<kRows>(count, [&](auto R) {
        constexpr int kPanels = kTilePanels<V, R.value>;
        Index p = 0;
        for (; p + kPanels <= w_.panels; p += kPanels) {
          tile<R.value, kPanels>(begin, terms, k_begin, k_end, 0, p, sums);
        }
        for (; p < w_.panels; ++p) tile<R.value, 1>(begin, terms, k_begin, k_end, 0, p, sums);
      });
      return;
    }
    const Index tiles = (count + kRows - 1) / kRows;
    for (Index p = 0; p < w_.panels; ++p) {
      for (Index nth = 0; nth < tiles; ++nth) {
        const Index row = count * nth / tiles;
        with_constant<kRows>(count * (nth + 1) / tiles - row, [&](auto R) {
          tile<R.value, 1>(begin, terms, k_begin, k_end, row, p, sums);
        });
      }
    }
  }

  template <int R, int P>
  void tile(const T* begin, const Terms& terms, Index k_begin, Index k_end, Index row, Index panel,
            T* sums) const {
    const Index at = row * row_sums_ + panel * kSums;
    Factors<T> from[2] = {terms.of[0], terms.of[1]};
    for (Factors<T>& factors : from) factors.data += row * factors.stride;
    // The bias is a shift here: w_.bias is 0.
    const Sums<const T> first = begin != nullptr ? Sums<const T>{begin + at, row_sums_}
                                                 : Sums<const T>{w_.bias + panel * kSums, 0};
    kernels::multiply<V, R, P>(Begin::value, first, from, k_begin, k_end,
                               w_.panel + panel * panel_size_, panel_size_, {sums + at, row_sums_});
  }

  const ForwardTask<T>& task_;
  const ForwardWeights<T>& w_;
  const Index row_sums_, panel_size_;
};

/// Products: FloatProducts, or IntegerProducts of simd/quantized.
template <class V, class Sigma, class Products>
class NormForwardPass {
  using T = typename V::Scalar;

 public:
  explicit NormForwardPass(const ForwardTask<T>& task)
      : task_(task),
        w_(task.weights),
        norm_(task.norm),
        cells_(task),
        products_(task),
        row_sums_(w_.panels * kPanelRow<V>) {}

  void run() const {
    Index ahead = 0;               // the step up to which W x is projected
    const T* projected = nullptr;  // of the next step
    for (Index s = 0; s < task_.step_count; ++s) {
      const ForwardStep& now = task_.steps[s];
      if (s >= ahead) {
        ahead = products_.project(s);
        projected = task_.projected;
      }
      const bool has_projected = s < ahead;
      for (Index row = 0; row < now.rows; row += norm_.block_rows) {
        const Index last = min_index(row + norm_.block_rows, now.rows);
        block(now, row, last, has_projected ? projected + row * row_sums_ : nullptr);
      }
      if (has_projected) {
        projected += now.rows * row_sums_;
      } else {
        ahead = s + 1;
      }
    }
  }

 private:
  /// Rows first <= row < last of a step. projected: W x of these rows, or null.
  void block(const ForwardStep& now, Index first, Index last, const T* projected) const {
    const Index count = last - first;
    const T* of_x = projected;
    if (norm_.form.products) {
      if (of_x == nullptr) {
        products_.of_input(now, first, count, norm_.input_sums);
        of_x = norm_.input_sums;
      }
      products_.of_recurrence(now, first, count, nullptr, norm_.sums);
    } else if (of_x != nullptr) {
      products_.of_recurrence(now, first, count, of_x, norm_.sums);
    } else {
      products_.of_both(now, first, count, norm_.sums);
    }
    for (Index r = 0; r < count; ++r) cells_.finish(row(now, first + r, r, of_x));
  }

  NormRow<T> row(const ForwardStep& now, Index row, Index in_block, const T* of_x) const {
    const Index H = task_.hidden_size, packed = now.row + row;
    const Index groups = norm_.form.products ? 2 : Index{kGates};
    const Index width = (norm_.form.products ? 2 : 1) * kGates * H;
    const bool keeps = task_.gates != nullptr;
    return {norm_.sums + in_block * row_sums_,
            norm_.form.products ? of_x + in_block * row_sums_ : nullptr,
            task_.state_h + row * H,
            task_.state_c + row * H,
            task_.h + now.h + row * task_.h_stride,
            keeps ? task_.c + packed * H : nullptr,
            keeps ? task_.gates + packed * kGates * H : nullptr,
            keeps ? norm_.normalised + packed * width : nullptr,
            keeps ? norm_.scales + packed * groups : nullptr};
  }

  const ForwardTask<T>& task_;
  const ForwardWeights<T>& w_;
  const NormForward<T>& norm_;
  const NormCells<V, Sigma> cells_;
  const Products products_;
  const Index row_sums_;
};

}  // namespace
}  // namespace peephole::kernels
