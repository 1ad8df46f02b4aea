#pragma once

#include "kernels/plain/backward_task.hpp"
#include "kernels/simd/backward/tile-inl.hpp"

/// The gradients of a recurrent projection h_t = clip(W_hr m_t), m_t = h(c_t) ⊙ o.
namespace peephole::kernels {
namespace {

/// dh_t of some ranks, from `first_rank` on, in a chunk that begins at `first_row`: of the layer
/// above and of the step after, and 0 where h was clipped.
template <class V>
class ProjectedOutput {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kGroup = kGroupVectors * kLanes;

 public:
  ProjectedOutput(const BackwardTask<T>& task, Index first_row, Index first_rank)
      : task_(task), first_row_(first_row), first_rank_(first_rank), size_(task.recurrent_size) {}

  /// dh of a packed row of the chunk.
  T* dh(Index packed) const { return task_.dh_rows + (packed - first_row_) * stride(); }
  Index stride() const { return task_.dh_rows_stride; }

  /// (rows, P): dh between steps.
  T* dh_state(Index row) const { return task_.dstate_h + (first_rank_ + row) * size_; }

  /// One group of columns of rows first <= row < last of a step. Row r of `after` is the gradient
  /// from the step after.
  void add(Step now, Index first, Index last, Index group, const T* after,
           Index after_stride) const {
    for (Index row = first; row < last; ++row) {
      const Index packed = now.row + row;
      const T* const above = task_.dh + packed * task_.dh_stride + group * kGroup;
      const T* const from = after + row * after_stride;
      T* const to = dh(packed) + group * kGroup;
      for_vectors(group, [&](Index k, Index n) {
        V d = V::load(from + k, n) + V::load(above + k, n);
        if (task_.clips_projection) {
          const T* const unclipped = task_.unclipped + packed * size_ + group * kGroup;
          const V size = abs(V::load(unclipped + k, n));
          d = select_less(V::broadcast(task_.projection_clip), size, V::zero(), d);
        }
        d.store(to + k, n);
      });
    }
  }

  /// Stores dh of rows first <= row < last, which have no step before in this chunk.
  void leave(Index first, Index last, Index group, const T* dh) const {
    for (Index row = first; row < last; ++row) {
      for_vectors(group, [&](Index k, Index n) {
        V::load(dh + row * kGroup + k).store(dh_state(row) + group * kGroup + k, n);
      });
    }
  }

 private:
  /// f(k, n) for each vector of a group: n columns from its k-th on.
  template <class F>
  void for_vectors(Index group, const F& f) const {
    const Index columns = min_index(size_ - group * kGroup, kGroup);
    for (Index k = 0; k < columns; k += kLanes) f(k, min_index(columns - k, kLanes));
  }

  const BackwardTask<T>& task_;
  const Index first_row_, first_rank_, size_;
};

/// A share of what a chunk adds to dW_hr = Σ_t dh_t m_tᵀ: some groups of its columns.
template <class V>
class ProjectionGradient {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kGroup = kGroupVectors * kLanes;
  static constexpr int kRows = kTileRows<V>;

 public:
  ProjectionGradient(const BackwardTask<T>& task, const BackwardChunk& chunk,
                     const ProductShare& share)
      : task_(task),
        chunk_(chunk),
        share_(share),
        first_(chunk.first == 0 && !task.accumulate),
        inputs_(task.inputs + share.thread * task.inputs_size) {}

  void run() const {
    const Index groups = (task_.hidden_size + kGroup - 1) / kGroup;
    const Index end = groups * (share_.nth + 1) / share_.count;
    for (Index group = groups * share_.nth / share_.count; group < end; ++group) {
      const Index column = group * kGroup, width = min_index(task_.hidden_size - column, kGroup);
      for (Index row = 0; row < chunk_.rows; row += kProductRows) {
        block(row, min_index(row + kProductRows, chunk_.rows), column, width);
      }
    }
  }

 private:
  void block(Index row, Index end, Index column, Index width) const {
    const Index vectors = (width + kLanes - 1) / kLanes, H = task_.hidden_size;
    gather(row, end, column, width);
    const Right<T> right = {inputs_, vectors * kLanes, 0, kLanes};
    const Onto onto = first_ && row == 0 ? Onto::nothing : Onto::after;
    const Index outputs = task_.recurrent_size, tiles = (outputs + kRows - 1) / kRows;
    for (Index nth = 0; nth < tiles; ++nth) {
      const Index output = outputs * nth / tiles, last = outputs * (nth + 1) / tiles;
      const Left<T> left = {task_.dh_rows + row * task_.dh_rows_stride + output,
                            task_.dh_rows_stride};
      const Result<T> result = {task_.dweight_hr + output * H + column, H,
                                width - (vectors - 1) * kLanes};
      with_constant<kRows>(last - output, [&](auto R) {
        with_constant<kGroupVectors>(vectors, [&](auto C) {
          product_tile<V, R.value, C.value, true, false>(left, right, end - row, onto, result);
        });
      });
    }
  }

  /// inputs_ (rows, width rounded up to vectors) = columns of m.
  void gather(Index row, Index end, Index column, Index width) const {
    T* to = inputs_;
    for (Index r = row; r < end; ++r) {
      const T* const m = task_.m_rows + r * task_.m_rows_stride + column;
      for (Index k = 0; k < width; k += kLanes, to += kLanes) {
        V::load(m + k, min_index(width - k, kLanes)).store(to);
      }
    }
  }

  const BackwardTask<T>& task_;
  const BackwardChunk& chunk_;
  const ProductShare share_;
  const bool first_;  // no gradients before: overwrite
  T* const inputs_;   // (kProductRows, kGroup)
};

}  // namespace
}  // namespace peephole::kernels
