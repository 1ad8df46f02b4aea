#pragma once

#include "kernels/plain/backward_task.hpp"
#include "kernels/simd/backward/cell-inl.hpp"
#include "kernels/simd/backward/tile-inl.hpp"

/// The cells of a step, by groups of units.
namespace peephole::kernels {
namespace {

/// Whether the output gate has dense peepholes that read c_t: dc then needs all of da_o.
template <class T>
bool has_dense_output(const BackwardTask<T>& task) {
  return task.output_reads_current && (task.dense_gates >> kOutput & 1u) != 0;
}

/// Runs of values that the cells of one row and group read from the tape and from the layer above.
inline constexpr int kRunsOfRow = kGates + 2;

/// The cells of some ranks, from `first_rank` on, in a chunk that begins at `first_row`.
template <class V>
class Cells {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kGroup = kGroupVectors * kLanes;

 public:
  Cells(const BackwardTask<T>& task, Index first_row, Index first_rank)
      : task_(task),
        chosen_(task),
        first_row_(first_row),
        first_rank_(first_rank),
        hidden_(task.hidden_size),
        above_(task.m_rows == nullptr ? task.dh : task.zeros),
        above_stride_(task.m_rows == nullptr ? task.dh_stride : 0),
        gates_apart_(offset(task.da, hidden_)) {}

  /// (rows, H): dh and dc between steps.
  T* dh_state(Index row) const { return task_.dstate_h + (first_rank_ + row) * hidden_; }
  T* dc_state(Index row) const { return task_.dstate_c + (first_rank_ + row) * hidden_; }

  /// The cells of rows first <= row < last of a step. Row r of `dh` is the gradient from the step
  /// after; with a projection, that of m_t, with what comes from above.
  void compute(Step now, Index first, Index last, Index group, const T* dh, Index dh_stride) const {
    if (first >= last) return;
    if (task_.standard) {
      compute_with(StandardDerivatives(task_), now, first, last, group, dh, dh_stride);
    } else {
      compute_with(chosen_, now, first, last, group, dh, dh_stride);
    }
  }

  /// Lists what compute() will read from the tape and from the layer above; returns the number of
  /// runs.
  Index list(Step now, Index first, Index last, Index group, const T** runs) const {
    const T** run = runs;
    for (Index row = first; row < last; ++row) {
      const Index packed = now.row + row;
      const SavedRow<T> saved(task_, packed, group * kGroup);
      for (int gate = 0; gate < kGates; ++gate) *run++ = saved.gates + gate * hidden_;
      *run++ = saved.previous_c;
      *run++ = above_ + packed * above_stride_ + group * kGroup;
    }
    return run - runs;
  }

  /// Stores dh of rows first <= row < last, which have no step before in this chunk.
  void leave(Index first, Index last, Index group, const T* dh) const {
    for (Index row = first; row < last; ++row) {
      for_vectors(group, [&](Index k, Index n) {
        V::load(dh + row * kGroup + k).store(dh_state(row) + group * kGroup + k, n);
      });
    }
  }

  /// dc (rows, one group) += sums.
  void add_to_dc(Index rows, Index group, const T* sums) const {
    for (Index row = 0; row < rows; ++row) {
      T* const dc = dc_state(row) + group * kGroup;
      for_vectors(group, [&](Index k, Index n) {
        (V::load(dc + k, n) + V::load(sums + row * kGroup + k)).store(dc + k, n);
      });
    }
  }

  /// The rest of compute() where the output gate has dense peepholes that read c_t: sums (rows, one
  /// group) = P_oᵀ da_o.
  void after_dense_output(Step now, Index group, const T* sums) const {
    const PeepholeForm form(task_);
    const Index unit = group * kGroup;
    for (Index row = 0; row < now.rows; ++row) {
      const Row at(*this, now, row, unit, sums + row * kGroup);
      for_vectors(group, [&](Index k, Index n) {
        CellGradient<V> result = {};
        result.dc = V::load(at.dc + k, n) + V::load(at.dh + k);
        const Saved<V> y = load_saved<V, false>(chosen_, at.saved, hidden_, k, n);
        const Diagonal<V> P = load_diagonal<V>(task_, unit + k, n);
        if (task_.standard) {
          state_gradient(form, StandardDerivatives(task_), y, P, result);
        } else {
          state_gradient(form, chosen_, y, P, result);
        }
        store_da<false>(result, at.da + offset(task_.da, k), gates_apart_, n);
        result.dc.store(at.dc + k, n);
      });
    }
  }

 private:
  template <class Derivatives>
  [[gnu::noinline]] void compute_with(const Derivatives d, Step now, Index first, Index last,
                                      Index group, const T* dh, Index dh_stride) const {
    const Index unit = group * kGroup, units = width(group), whole = units / kLanes * kLanes;
    const PeepholeForm form(task_);
    const bool dense_output = has_dense_output(task_);
    const Lines<T> lines = task_.da;
    Diagonal<V> P[kGroupVectors];
    load_diagonals(unit, units, P);
    for (Index row = first; row < last; ++row) {
      const Row at(*this, now, row, unit, dh + row * dh_stride);
      Index k = 0;
      T* da = at.da;
      for (; k < whole; da = at.da + next_offset<kLanes>(lines, k, da - at.da), k += kLanes) {
        cell<true>(d, form, dense_output, at, da, P[k / kLanes], k, kLanes);
      }
      if (k < units) cell<false>(d, form, dense_output, at, da, P[k / kLanes], k, units - k);
    }
  }

  /// One row, from a group's first unit on.
  struct Row {
    SavedRow<T> saved;
    const T* dh;     // from the step after
    const T* above;  // from the layer above
    T* dc;
    T* da;
    T* m;  // h(c_t) ⊙ o; null without a projection

    Row(const Cells& cells, Step now, Index row, Index unit, const T* recurrent_dh)
        : saved(cells.task_, now.row + row, unit), dh(recurrent_dh) {
      const BackwardTask<T>& task = cells.task_;
      const Index packed = now.row + row;
      above = cells.above_ + packed * cells.above_stride_ + unit;
      dc = cells.dc_state(row) + unit;
      const Index in_chunk = packed - cells.first_row_;
      da = task.da.data + in_chunk * task.da.row_stride + offset(task.da, unit);
      m = task.m_rows == nullptr ? nullptr : task.m_rows + in_chunk * task.m_rows_stride + unit;
    }
  };

  Index width(Index group) const {
    const Index rest = hidden_ - group * kGroup;
    return rest < kGroup ? rest : kGroup;
  }

  /// f(k, n) for each vector of a group: n units from its k-th on.
  template <class F>
  void for_vectors(Index group, const F& f) const {
    const Index units = width(group);
    for (Index k = 0; k < units; k += kLanes) f(k, units - k < kLanes ? units - k : kLanes);
  }

  void load_diagonals(Index unit, Index units, Diagonal<V> (&P)[kGroupVectors]) const {
    for (Index k = 0; k < units; k += kLanes) {
      P[k / kLanes] = load_diagonal<V>(task_, unit + k, units - k < kLanes ? units - k : kLanes);
    }
  }

  template <bool kWhole, class Derivatives>
  [[gnu::always_inline]] void cell(const Derivatives& d, PeepholeForm form, bool dense_output,
                                   const Row& at, T* da, const Diagonal<V>& P, Index k,
                                   Index n) const {
    const Saved<V> y = load_saved<V, kWhole>(d, at.saved, hidden_, k, n);
    CellGradient<V> result;
    result.dc = load<V, kWhole>(at.dc + k, n);
    const V dh = load<V, kWhole>(at.dh + k, n) + load<V, kWhole>(at.above + k, n);
    output_gradient(form, d, y, P, dh, result);
    if (at.m != nullptr) store<kWhole>(result.h_of_c * y.o, at.m + k, n);
    store<kWhole>(result.da_o, da + kOutput * gates_apart_, n);
    if (!dense_output) {
      state_gradient(form, d, y, P, result);
      store_da<kWhole>(result, da, gates_apart_, n);
    }
    store<kWhole>(result.dc, at.dc + k, n);
  }

  const BackwardTask<T>& task_;
  const ChosenDerivatives<T> chosen_;
  const Index first_row_, first_rank_, hidden_;
  const T* const above_;  // (N, H): the gradient of h from the layer above
  const Index above_stride_, gates_apart_;
};

}  // namespace
}  // namespace peephole::kernels
