#pragma once

#include "kernels/plain/backward_task.hpp"
#include "kernels/simd/backward/tile-inl.hpp"
#include "kernels/simd/norm/gradient-inl.hpp"

/// The recurrence of backward with layer normalisation: step by step, first the cells row by row,
/// and then dh_{t-1} as the product of R and the gradients of what was normalised.
namespace peephole::kernels {
namespace {

/// Ranks of a chunk. Between steps, dh and dc are those of dstate_h and dstate_c.
template <class V, class Derivatives>
class NormRecurrence {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kGroup = kGroupVectors * kLanes;
  static constexpr int kRows = kTileRows<V>;
  /// Groups that one row takes at once, so that there are enough independent sums.
  static constexpr int kGroupsOfRow = V::registers == 32 ? 4 : 2;

 public:
  NormRecurrence(const BackwardTask<T>& task, const BackwardChunk& chunk, Index first_rank,
                 Index last_rank)
      : task_(task),
        chunk_(chunk),
        cells_(task, chunk),
        first_rank_(first_rank),
        last_rank_(last_rank),
        hidden_(task.hidden_size),
        groups_((hidden_ + kGroup - 1) / kGroup) {}

  void run() const {
    for (Index s = chunk_.first; s < chunk_.last; ++s) {
      const Step step = task_.steps[s];
      const Index rows = min_index(step.rows, last_rank_) - first_rank_;
      if (rows <= 0) continue;
      for (Index row = 0; row < rows; ++row) {
        const Index state = (first_rank_ + row) * hidden_;
        cells_.compute(step.row + first_rank_ + row, task_.dstate_h + state,
                       task_.dstate_c + state);
      }
      multiply(step.row + first_rank_ - chunk_.row, rows);
    }
  }

 private:
  Index vectors(Index group) const {
    return min_index((hidden_ - group * kGroup + kLanes - 1) / kLanes, kGroupVectors);
  }
  /// Values of a group's last vector.
  Index tail(Index group) const { return hidden_ - group * kGroup - (vectors(group) - 1) * kLanes; }

  /// dh_{t-1} = Σ_k R_kᵀ dz_k, from a row of the chunk on.
  void multiply(Index first, Index rows) const {
    if (rows == 1) return multiply_row(first);
    const Index tiles = (rows + kRows - 1) / kRows;
    for (Index group = 0; group < groups_; ++group) {
      for (Index nth = 0; nth < tiles; ++nth) {
        const Index row = rows * nth / tiles;
        with_constant<kRows>(rows * (nth + 1) / tiles - row, [&](auto R) {
          with_constant<kGroupVectors>(vectors(group), [&](auto C) {
            tile<R.value, C.value>(first, row, group, tail(group));
          });
        });
      }
    }
  }

  void multiply_row(Index first) const {
    Index group = 0;
    for (; group + kGroupsOfRow <= groups_; group += kGroupsOfRow) {
      const Index last = group + kGroupsOfRow - 1;
      if (vectors(last) < kGroupVectors) break;
      tile<1, kGroupsOfRow * kGroupVectors>(first, 0, group, tail(last));
    }
    for (; group < groups_; ++group) {
      with_constant<kGroupVectors>(vectors(group),
                                   [&](auto C) { tile<1, C.value>(first, 0, group, tail(group)); });
    }
  }

  /// R rows and C vectors from a group's first on.
  template <int R, int C>
  void tile(Index first, Index row, Index group, Index last_values) const {
    const Lines<T>& lines = task_.da;
    const T* const dz = task_.norm.form.products ? task_.norm.da_h : lines.data;
    const Left<T> left = {dz + (first + row) * lines.row_stride, lines.row_stride,
                          lines.line_stride};
    const ColumnGroups<T>& weights = task_.weights.weight_hh;
    const Right<T> right = {weights.data + group * weights.group_stride, weights.row_stride,
                            weights.group_stride, last_values};
    T* const dh = task_.dstate_h + (first_rank_ + row) * hidden_ + group * kGroup;
    product_tile<V, R, C, false, false>(left, right, kGates * hidden_, Onto::nothing,
                                        Result<T>{dh, hidden_, last_values});
  }

  const BackwardTask<T>& task_;
  const BackwardChunk& chunk_;
  const NormGradient<V, Derivatives> cells_;
  const Index first_rank_, last_rank_, hidden_, groups_;
};

}  // namespace
}  // namespace peephole::kernels
