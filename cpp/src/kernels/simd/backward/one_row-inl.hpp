#pragma once

#include "kernels/plain/backward_task.hpp"
#include "kernels/simd/backward/cell-inl.hpp"
#include "kernels/simd/backward/tile-inl.hpp"

/// The recurrence of one sequence through few units, where only latency counts: the gradients of
/// the state stay in registers from step to step. The results have the same bits as those of
/// Recurrence.
namespace peephole::kernels {
namespace {

/// C vectors of units.
template <class V, int C, class Derivatives>
class OneRowRecurrence {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kWidth = C * kLanes;

 public:
  static_assert(recurrence_chains(C) == kGates);

  OneRowRecurrence(const BackwardTask<T>& task, Index rank)
      : task_(task), derivatives_(task), rank_(rank), hidden_(task.hidden_size) {}

  void run(const BackwardChunk& chunk) const {
    T* const dh_state = task_.dstate_h + rank_ * hidden_;
    T* const dc_state = task_.dstate_c + rank_ * hidden_;
    V dh[C], dc[C];
    Diagonal<V> P[C];
    for (int c = 0; c < C; ++c) {
      dh[c] = V::load(dh_state + c * kLanes, units(c));
      dc[c] = V::load(dc_state + c * kLanes, units(c));
      P[c] = load_diagonal<V>(task_, c * kLanes, units(c));
    }
    for (Index s = chunk.first; s < chunk.last; ++s) {
      const Step now = task_.steps[s];
      if (rank_ < now.rows) step(now.row + rank_, now.row + rank_ - chunk.row, P, dh, dc);
    }
    for (int c = 0; c < C; ++c) {
      dh[c].store(dh_state + c * kLanes, units(c));
      dc[c].store(dc_state + c * kLanes, units(c));
    }
  }

 private:
  Index units(int c) const { return c == C - 1 ? hidden_ - c * kLanes : kLanes; }

  [[gnu::always_inline]] void step(Index packed, Index row, const Diagonal<V> (&P)[C], V (&dh)[C],
                                   V (&dc)[C]) const {
    // A copy in whole vectors: a load from a partly stored vector would wait for the cache.
    alignas(64) T da[kGates * kWidth];
    const PeepholeForm form(task_);
    const SavedRow<T> saved(task_, packed, 0);
    const T* const above = task_.dh + packed * task_.dh_stride;
    T* const to = task_.da.data + row * task_.da.row_stride;
#pragma GCC unroll 2
    for (int c = 0; c < C; ++c) {
      const Index unit = c * kLanes, n = units(c);
      const Saved<V> y = load_saved<V, false>(derivatives_, saved, hidden_, unit, n);
      CellGradient<V> result;
      result.dc = dc[c];
      output_gradient(form, derivatives_, y, P[c], dh[c] + V::load(above + unit, n), result);
      state_gradient(form, derivatives_, y, P[c], result);
      dc[c] = result.dc;
      store_da<true>(result, da + unit, kWidth, n);
      store<true>(result.da_o, da + unit + kOutput * kWidth, n);
      store_da<false>(result, to + unit, hidden_, n);
      store<false>(result.da_o, to + unit + kOutput * hidden_, n);
    }
    const ColumnGroups<T>& R = task_.weights.weight_hh;
    chained_product<kGates, false>(dh, da, kWidth, Right<T>{R.data, R.row_stride, 0, kLanes},
                                   kGates * hidden_);
  }

  const BackwardTask<T>& task_;
  const Derivatives derivatives_;
  const Index rank_, hidden_;
};

}  // namespace
}  // namespace peephole::kernels
