#pragma once

#include "kernels/plain/backward_task.hpp"
#include "kernels/simd/backward/cells-inl.hpp"
#include "kernels/simd/backward/tile-inl.hpp"

/// The recurrence of backward, step by step: da, the gradients of the gates' sums, of a chunk.
namespace peephole::kernels {
namespace {

/// The recurrence of some ranks of a chunk. Between steps, dh_{t-1} is a product of da_t. Where
/// sequences begin or end within the chunk, and at the chunk's ends, dh is read from and written to
/// dstate_h.
template <class V>
class Recurrence {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kGroup = kGroupVectors * kLanes;
  static constexpr int kRows = kTileRows<V>;

  // Weights of more bytes do not stay in L2 from step to step: the next block is then prefetched
  // while one is used. Blocks are short enough for two of them to fit into L2 beside the rows.
  static constexpr Index kCachedBytes = Index{3} << 19;
  static constexpr Index kBlockTerms = 1024;
  static constexpr Step kNone = {0, 0};  // no rows
  static constexpr int kMaxGroups = 4;   // multiplied at a time, for one row

 public:
  Recurrence(const BackwardTask<T>& task, const BackwardChunk& chunk, Index first_rank,
             Index last_rank, const TeamPart& team)
      : task_(task),
        chunk_(chunk),
        team_(team),
        cells_(task, chunk.row, first_rank),
        first_rank_(first_rank),
        last_rank_(last_rank),
        hidden_(task.hidden_size),
        all_groups_((hidden_ + kGroup - 1) / kGroup),
        first_group_(all_groups_ * team.part / team.parts),
        last_group_(all_groups_ * (team.part + 1) / team.parts) {}

  void run() {
    Step after = {0, 0};  // in time; it was computed before
    for (Index s = chunk_.first; s < chunk_.last; ++s) {
      const Step now = of_ranks(task_.steps[s]);
      advance(after, now, s & 1);
      after = now;
    }
    advance(after, {0, 0}, chunk_.last & 1);
  }

 private:
  Step of_ranks(Step step) const {
    const Index rows = min_index(step.rows, last_rank_) - first_rank_;
    return {step.row + first_rank_, rows > 0 ? rows : 0};
  }
  /// Vectors of a group, of which the last may be partial.
  Index vectors(Index group) const {
    return min_index((hidden_ - group * kGroup + kLanes - 1) / kLanes, kGroupVectors);
  }
  /// da of a packed row, from a term on.
  Left<T> da(Index row, Index term = 0) const {
    const Lines<T>& da = task_.da;
    return {da.data + (row - chunk_.row) * da.row_stride + offset(da, term), da.row_stride,
            da.line_stride};
  }
  void wait() const {
    if (team_.parts > 1) team_.wait(team_.barrier);
  }
  /// Products are stored as (rows, one group) or, for one row, as (groups).
  void make_room(Index rows) {
    sums_ = rows == 1 ? one_row_ : task_.sums + team_.part * task_.sums_size + first_rank_ * kGroup;
  }

  /// From da of the step after to da of the step now.
  void advance(Step after, Step now, Index parity) {
    if (after.rows > 0) wait();
    make_room(after.rows);
    const Index count = last_group_ - first_group_;
    for (Index i = 0; i < count;) {
      // Alternating between first to last and last to first: those still in cache come first.
      Index taken = after.rows == 1 ? one_row_groups(count - i) : 1;
      Index group = first_group_ + (parity == 0 ? i : count - taken - i);
      if (taken > 1 && !readable(task_.weights.weight_hh, group + taken)) {
        taken = 1;
        group = first_group_ + (parity == 0 ? i : count - 1 - i);
      }
      multiply(after, now, group, taken);
      for (Index g = 0; g < taken; ++g) finish(after, now, group + g, sums_ + g * kGroup);
      i += taken;
    }
    if (dense_output() && now.rows > 0) {
      wait();
      make_room(now.rows);
      for (Index group = first_group_; group < last_group_; ++group) {
        multiply_blocked(now, task_.weights.weight_ch, group,
                         {kOutput * hidden_, (kOutput + 1) * hidden_}, Onto::nothing, kNone);
        cells_.after_dense_output(now, group, sums_);
      }
    }
  }

  /// Rows in both steps continue; rows in one of them end or begin.
  void finish(Step after, Step now, Index group, const T* sums) const {
    const Index going_on = min_index(after.rows, now.rows);
    cells_.compute(now, 0, going_on, group, sums, kGroup);
    cells_.leave(going_on, after.rows, group, sums);
    cells_.compute(now, going_on, now.rows, group, cells_.dh_state(0) + group * kGroup, hidden_);
  }

  /// Bytes of R that this thread reads a step.
  Index weight_bytes() const {
    return (last_group_ - first_group_) * kGroup * kGates * hidden_ * Index{sizeof(T)};
  }

  /// One row takes several groups at once: one alone has too few independent sums. But weights that
  /// do not stay in L2 take longer to load than the sums take, and alternating between first and
  /// last finds more of them in L2 if fewer are read at once (18 % faster at 512 units).
  Index one_row_groups(Index rest) const {
    if (weight_bytes() > kCachedBytes) return 1;
    return rest <= kMaxGroups ? rest : rest == kMaxGroups + 1 ? rest / 2 : kMaxGroups;
  }
  /// Whether whole vectors of the groups up to `end` may be read.
  bool readable(const ColumnGroups<T>& weights, Index end) const {
    return weights.padded || end * kGroup <= hidden_;
  }

  bool dense_output() const { return has_dense_output(task_); }

  // ------------------------------------------------------------------------------------ products

  /// The terms of a product: those of consecutive gates.
  struct Terms {
    Index begin, end;
  };

  Right<T> right(const ColumnGroups<T>& weights, Index group, Index term) const {
    const Index last = vectors(group) - 1;
    return {weights.data + group * weights.group_stride + term * weights.row_stride,
            weights.row_stride, weights.group_stride, hidden_ - group * kGroup - last * kLanes};
  }
  bool partial(const ColumnGroups<T>& weights, Index group) const {
    return !weights.padded && hidden_ < group * kGroup + vectors(group) * kLanes;
  }

  /// sums (rows, taken groups) = dh_{t-1} = Σ_k R_kᵀ da_k, and dc += Σ_k P_kᵀ da_k where P is
  /// dense.
  void multiply(Step after, Step now, Index group, Index taken) {
    if (after.rows == 0) return;
    if (task_.dense_gates != 0) {
      for (Index g = group; g < group + taken; ++g) add_dense_peepholes(after, g);
    }
    const ColumnGroups<T>& R = task_.weights.weight_hh;
    if (all_groups_ == 1) {
      multiply_chained(after, now, R);
    } else if (taken == 1) {
      multiply_blocked(after, R, group, {0, kGates * hidden_}, Onto::nothing, now);
    } else {
      const Left<T> left = da(after.row);
      const Result<T> result = {sums_, 0, kLanes};
      with_constant<kMaxGroups>(taken, [&](auto P) {
        product_tile<V, 1, P.value * kGroupVectors, false, false>(
            left, right(R, group, 0), kGates * hidden_, Onto::nothing, result);
      });
    }
  }

  /// With few units, the terms are cut into chains, which one row's product forms together; for
  /// more rows they follow each other, with the same bits.
  void multiply_chained(Step after, Step now, const ColumnGroups<T>& R) {
    const Index terms = kGates * hidden_;
    with_constant<kGroupVectors>(vectors(0), [&](auto C) {
      constexpr int kChains = recurrence_chains(C.value);
      const Index length = terms / kChains;
      if (after.rows == 1) {
        V sums[C.value];
        const Right<T> weights = right(R, 0, 0);
        if (partial(R, 0)) {
          chained_product<kChains, true>(sums, da(after.row).data, length, weights, terms);
        } else {
          chained_product<kChains, false>(sums, da(after.row).data, length, weights, terms);
        }
        for (int c = 0; c < C.value; ++c) sums[c].store(sums_ + c * kLanes);
        return;
      }
      for (int j = 0; j < kChains; ++j) {
        multiply_rows(after, R, 0, {j * length, (j + 1) * length},
                      j == 0 ? Onto::nothing : Onto::after, j == 0 ? now : kNone);
      }
    });
  }

  /// sums (rows, one group) = da * weights over some terms, combined with their old value as `onto`
  /// says. The saved values of `now` and the weights from `next` on are prefetched.
  void multiply_rows(Step after, const ColumnGroups<T>& weights, Index group, Terms terms,
                     Onto onto, Step now, const T* next = nullptr) {
    const Index tiles = (after.rows + kRows - 1) / kRows, size = terms.end - terms.begin;
    const Right<T> from = right(weights, group, terms.begin);
    const Index share = (size * kGroupVectors + tiles - 1) / tiles;
    for (Index nth = 0; nth < tiles; ++nth) {
      const Index row = after.rows * nth / tiles, last = after.rows * (nth + 1) / tiles;
      const Left<T> left = da(after.row + row, terms.begin);
      const Result<T> result = {sums_ + row * kGroup, kGroup, kLanes};
      const T* runs[kRows * kRunsOfRow];
      Upcoming<T> upcoming = {runs, 0, next, 0};
      upcoming.listed =
          kGroupVectors * cells_.list(now, row, min_index(last, now.rows), group, runs);
      upcoming.terms = upcoming.listed;
      if (next != nullptr) {
        upcoming.data += nth * share * kLanes;
        upcoming.terms += share;
      }
      if (partial(weights, group)) {
        product_by_rows<V>(vectors(group), left, from, size, onto, result, last - row);
        continue;
      }
      with_constant<kRows>(last - row, [&](auto r) {
        with_constant<kGroupVectors>(vectors(group), [&](auto C) {
          product_tile<V, r.value, C.value, false, false>(left, from, size, onto, result, upcoming);
        });
      });
    }
  }

  /// The same in blocks of terms, still as one chain.
  void multiply_blocked(Step after, const ColumnGroups<T>& weights, Index group, Terms terms,
                        Onto onto, Step now) {
    const bool cached = weight_bytes() <= kCachedBytes || after.rows < kRows || !weights.padded;
    const Index block = cached ? terms.end - terms.begin : kBlockTerms;
    for (Index k = terms.begin; k < terms.end; k += block) {
      const Index end = min_index(k + block, terms.end);
      multiply_rows(after, weights, group, {k, end}, onto, k == terms.begin ? now : kNone,
                    cached ? nullptr : right(weights, group, end).data);
      onto = Onto::before;
    }
  }

  /// dc_{t-1} += Σ_k P_kᵀ da_k over the gates that read c_{t-1}.
  void add_dense_peepholes(Step after, Index group) {
    Onto onto = Onto::nothing;
    for (int gate = 0; gate < kGates; ++gate) {
      if ((task_.dense_gates >> gate & 1u) == 0 || (gate == kOutput && dense_output())) continue;
      int last = gate;
      while (last + 1 < kGates && (task_.dense_gates >> (last + 1) & 1u) != 0 &&
             !(last + 1 == kOutput && dense_output())) {
        ++last;
      }
      multiply_blocked(after, task_.weights.weight_ch, group,
                       {gate * hidden_, (last + 1) * hidden_}, onto, kNone);
      onto = Onto::before;
      gate = last;
    }
    if (onto == Onto::nothing) return;
    cells_.add_to_dc(after.rows, group, sums_);
  }

  const BackwardTask<T>& task_;
  const BackwardChunk& chunk_;
  const TeamPart& team_;
  const Cells<V> cells_;
  const Index first_rank_, last_rank_, hidden_, all_groups_, first_group_, last_group_;

  T* sums_ = nullptr;
  alignas(64) T one_row_[kMaxGroups * kGroup];
};

}  // namespace
}  // namespace peephole::kernels
