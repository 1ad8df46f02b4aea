#pragma once

#include "kernels/plain/forward_task.hpp"
#include "kernels/simd/forward/projection-inl.hpp"
#include "kernels/simd/head/product-inl.hpp"

/// The recurrent projection, from what the cells give to the h that the next step reads.
namespace peephole::kernels {
namespace {

/// h_t = clip(W_hr m_t)          m_t = h(c_t) ⊙ o
///
/// (LSTMP: H. Sak, A. Senior, F. Beaufays, 2014, arXiv:1402.1128). With at most a group of columns,
/// each sum is formed in several chains of terms, as in the recurrence of backward: a single row
/// would mostly wait for one chain. This depends on P and the instruction set alone.
template <class V>
class RecurrentProjection {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kGroup = kGroupColumns<V>;

 public:
  explicit RecurrentProjection(const ForwardTask<T>& task)
      : task_(task),
        weights_(task.weights.projection),
        terms_(task.hidden_size),
        width_(task.c_width) {}

  bool exists() const { return weights_ != nullptr; }
  /// Groups of columns; 0 without a projection.
  Index groups() const { return exists() ? (task_.recurrent_size + kGroup - 1) / kGroup : 0; }

  /// The rows of a step, for some groups of columns: from m_rows to h_rows[parity] and h.
  void rows(const ForwardStep& step, Index parity, Range groups) const {
    for (Index group = groups.begin; group < groups.end; ++group) {
      const Index first = group * kGroup, columns = padded_columns(group);
      T* const h = task_.h_rows[parity] + first;
      if (step.rows == 1) {
        one_row(group, h);
      } else {
        many_rows(group, columns, step.rows, h);
      }
      for (Index row = 0; row < step.rows; ++row) {
        finish(h + row * task_.h_width, task_.h + step.h + row * task_.h_stride + first,
               unclipped(step.row + row, first), first, columns);
      }
    }
  }

  /// The same of a single row, from m_rows to h, of whole vectors; nothing else is written.
  void alone(T* h) const {
    for (Index group = 0; group < groups(); ++group) {
      T* const of_group = h + group * kGroup;
      one_row(group, of_group);
      if (!task_.clips_projection) continue;
      for (Index k = 0; k < padded_columns(group); k += kLanes) {
        clip(V::load(of_group + k)).store(of_group + k);
      }
    }
  }

 private:
  /// The columns of a group, up to whole vectors.
  Index padded_columns(Index group) const {
    const Index rest = task_.recurrent_size - group * kGroup;
    return min_index((rest + kLanes - 1) / kLanes * kLanes, kGroup);
  }
  Right<T> right(Index group, Index term) const {
    return {weights_ + (group * terms_ + term) * kGroup, kGroup, 0, kLanes};
  }
  bool has_chains() const { return task_.recurrent_size <= kGroup; }

  T* unclipped(Index packed, Index column) const {
    if (task_.unclipped == nullptr) return nullptr;
    return task_.unclipped + packed * task_.recurrent_size + column;
  }

  void many_rows(Index group, Index columns, Index rows, T* h) const {
    const Index chains =
        has_chains() ? recurrence_chains(static_cast<int>(columns / kLanes)) : Index{1};
    const Index length = terms_ / chains;
    for (Index j = 0; j < chains; ++j) {
      const Index begin = j * length, end = j == chains - 1 ? terms_ : begin + length;
      product<false, V>(Left<T>{task_.m_rows + begin, width_}, rows, right(group, begin),
                        end - begin, j == 0 ? Onto::nothing : Onto::after,
                        Result<T>{h, task_.h_width, 0}, columns);
    }
  }

  void one_row(Index group, T* h) const {
    const Index columns = padded_columns(group);
    with_constant<kGroupVectors>(columns / kLanes, [&](auto C) {
      if (has_chains()) {
        chained_row<C.value>(h);
      } else {
        product_tile<V, 1, C.value, false, false>(Left<T>{task_.m_rows, 0}, right(group, 0), terms_,
                                                  Onto::nothing, Result<T>{h, 0, kLanes});
      }
    });
  }

  /// One row of the only group: its chains are formed together.
  template <int C>
  void chained_row(T* h) const {
    constexpr int kChains = recurrence_chains(C);
    V chains[kChains][C];
#pragma GCC unroll 4
    for (int j = 0; j < kChains; ++j) {
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) chains[j][c] = V::zero();
    }
    const auto add = [&](int j, Index term) __attribute__((always_inline)) {
      const V factor = V::broadcast(task_.m_rows[term]);
      const T* const vectors = weights_ + term * kGroup;
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) {
        chains[j][c] = fma(V::load(vectors + c * kLanes), factor, chains[j][c]);
      }
    };
    const Index length = terms_ / kChains;
    for (Index k = 0; k < length; ++k) {
#pragma GCC unroll 4
      for (int j = 0; j < kChains; ++j) add(j, j * length + k);
    }
    for (Index term = kChains * length; term < terms_; ++term) add(kChains - 1, term);
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) {
      V sum = chains[0][c];
#pragma GCC unroll 4
      for (int j = 1; j < kChains; ++j) sum = sum + chains[j][c];
      sum.store(h + c * kLanes);
    }
  }

  /// NaN stays.
  V clip(V a) const {
    const V bound = V::broadcast(task_.projection_clip),
            lowest = V::broadcast(-task_.projection_clip);
    a = select_less(bound, a, bound, a);
    return select_less(a, lowest, lowest, a);
  }

  /// h_next: of one row, from the sums to h_t; a copy goes to h.
  void finish(T* h_next, T* h, T* unclipped, Index first, Index columns) const {
    for (Index k = 0; k < columns; k += kLanes) {
      const Index n = min_index(task_.recurrent_size - first - k, kLanes);
      V a = V::load(h_next + k);
      if (task_.clips_projection) {
        if (unclipped != nullptr) a.store(unclipped + k, n);
        a = clip(a);
        a.store(h_next + k);
      }
      a.store(h + k, n);
    }
  }

  const ForwardTask<T>& task_;
  const T* const weights_;
  const Index terms_, width_;
};

}  // namespace
}  // namespace peephole::kernels
