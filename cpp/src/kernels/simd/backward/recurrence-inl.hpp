#pragma once

#include "kernels/plain/backward_task.hpp"
#include "kernels/simd/backward/cells-inl.hpp"
#include "kernels/simd/backward/projection-inl.hpp"
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
        output_(task, chunk.row, first_rank),
        first_rank_(first_rank),
        last_rank_(last_rank),
        hidden_(task.hidden_size),
        projects_(task.weights.weight_hr.data != nullptr),
        units_(share(hidden_)),
        outputs_(share(task.recurrent_size)) {}

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
  /// Groups of columns.
  struct Groups {
    Index begin, end;
    Index count() const { return end - begin; }
  };
  /// This part's groups of so many columns.
  Groups share(Index columns) const {
    const Index groups = (columns + kGroup - 1) / kGroup;
    return {groups * team_.part / team_.parts, groups * (team_.part + 1) / team_.parts};
  }
  Step of_ranks(Step step) const {
    const Index rows = min_index(step.rows, last_rank_) - first_rank_;
    return {step.row + first_rank_, rows > 0 ? rows : 0};
  }
  /// Vectors of a group, of which the last may be partial.
  static Index vectors(const ColumnGroups<T>& weights, Index group) {
    return min_index((weights.columns - group * kGroup + kLanes - 1) / kLanes, kGroupVectors);
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
    if (projects_) {
      for_groups(task_.weights.weight_hh, outputs_, after.rows, parity, [&](Index group, Index n) {
        multiply_recurrent(after, kNone, group, n);
        for (Index g = 0; g < n; ++g) finish_output(after, now, group + g, sums_ + g * kGroup);
      });
      for (Index g = units_.begin; g < units_.end; ++g) add_dense_peepholes(after, g);
      if (now.rows == 0) return;
      wait();
      make_room(now.rows);
      for_groups(task_.weights.weight_hr, units_, now.rows, parity, [&](Index group, Index n) {
        multiply_projection(now, group, n);
        for (Index g = 0; g < n; ++g) {
          cells_.compute(now, 0, now.rows, group + g, sums_ + g * kGroup, kGroup);
        }
      });
    } else {
      for_groups(task_.weights.weight_hh, units_, after.rows, parity, [&](Index group, Index n) {
        for (Index g = group; g < group + n; ++g) add_dense_peepholes(after, g);
        multiply_recurrent(after, now, group, n);
        for (Index g = 0; g < n; ++g) finish(after, now, group + g, sums_ + g * kGroup);
      });
    }
    if (dense_output() && now.rows > 0) {
      wait();
      make_room(now.rows);
      for (Index group = units_.begin; group < units_.end; ++group) {
        multiply_blocked(now, task_.weights.weight_ch, group,
                         {kOutput * hidden_, (kOutput + 1) * hidden_}, Onto::nothing, kNone);
        cells_.after_dense_output(now, group, sums_);
      }
    }
  }

  /// f(group, n) for n groups at a time: several for one row, if whole vectors may be read.
  template <class F>
  void for_groups(const ColumnGroups<T>& weights, Groups of, Index rows, Index parity, const F& f) {
    const Index count = of.count();
    for (Index i = 0; i < count;) {
      // Alternating between first to last and last to first: those still in cache come first.
      Index taken = rows == 1 ? one_row_groups(count - i) : 1;
      Index group = of.begin + (parity == 0 ? i : count - taken - i);
      if (taken > 1 && !readable(weights, group + taken)) {
        taken = 1;
        group = of.begin + (parity == 0 ? i : count - 1 - i);
      }
      f(group, taken);
      i += taken;
    }
  }

  /// The same as finish() of a group of a projection's outputs, up to dh_t.
  void finish_output(Step after, Step now, Index group, const T* sums) const {
    const Index going_on = min_index(after.rows, now.rows);
    output_.add(now, 0, going_on, group, sums, kGroup);
    output_.leave(going_on, after.rows, group, sums);
    output_.add(now, going_on, now.rows, group, output_.dh_state(0) + group * kGroup,
                task_.recurrent_size);
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
    return outputs_.count() * kGroup * kGates * hidden_ * Index{sizeof(T)};
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
    return weights.padded || end * kGroup <= weights.columns;
  }

  bool dense_output() const { return has_dense_output(task_); }

  // ------------------------------------------------------------------------------------ products

  /// The terms of a product: those of consecutive gates.
  struct Terms {
    Index begin, end;
  };

  Right<T> right(const ColumnGroups<T>& weights, Index group, Index term) const {
    const Index last = vectors(weights, group) - 1;
    return {weights.data + group * weights.group_stride + term * weights.row_stride,
            weights.row_stride, weights.group_stride,
            weights.columns - group * kGroup - last * kLanes};
  }
  bool partial(const ColumnGroups<T>& weights, Index group) const {
    return !weights.padded && weights.columns < group * kGroup + vectors(weights, group) * kLanes;
  }

  /// sums (rows, taken groups) = dh_{t-1} = Σ_k R_kᵀ da_k.
  void multiply_recurrent(Step after, Step now, Index group, Index taken) {
    if (after.rows == 0) return;
    const ColumnGroups<T>& R = task_.weights.weight_hh;
    if (R.columns <= kGroup) {
      multiply_chained(after, now, R);
    } else if (taken == 1) {
      multiply_blocked(after, R, group, {0, kGates * hidden_}, Onto::nothing, now);
    } else {
      multiply_one_row(da(after.row), R, group, taken, kGates * hidden_);
    }
  }

  /// sums (rows, taken groups) = dm_t = W_hrᵀ dh_t.
  void multiply_projection(Step now, Index group, Index taken) {
    const ColumnGroups<T>& W = task_.weights.weight_hr;
    const Left<T> left = {output_.dh(now.row), output_.stride()};
    if (taken == 1) {
      const Upcoming<T> none = {};
      multiply_tiles(W, group, now.rows, left, {0, task_.recurrent_size}, Onto::nothing,
                     [&](Index, Index, Index, const T**) { return none; });
    } else {
      multiply_one_row(left, W, group, taken, task_.recurrent_size);
    }
  }

  void multiply_one_row(const Left<T>& left, const ColumnGroups<T>& weights, Index group,
                        Index taken, Index terms) {
    const Result<T> result = {sums_, 0, kLanes};
    with_constant<kMaxGroups>(taken, [&](auto P) {
      product_tile<V, 1, P.value * kGroupVectors, false, false>(left, right(weights, group, 0),
                                                                terms, Onto::nothing, result);
    });
  }

  /// With few units, the terms are cut into chains, which one row's product forms together; for
  /// more rows they follow each other, with the same bits.
  void multiply_chained(Step after, Step now, const ColumnGroups<T>& R) {
    const Index terms = kGates * hidden_;
    with_constant<kGroupVectors>(vectors(R, 0), [&](auto C) {
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
    const Index share = (size * kGroupVectors + tiles - 1) / tiles;
    multiply_tiles(weights, group, after.rows, da(after.row, terms.begin), terms, onto,
                   [&](Index nth, Index row, Index last, const T** runs) {
                     Upcoming<T> upcoming = {runs, 0, next, 0};
                     upcoming.listed =
                         kGroupVectors *
                         cells_.list(now, row, min_index(last, now.rows), group, runs);
                     upcoming.terms = upcoming.listed;
                     if (next != nullptr) {
                       upcoming.data += nth * share * kLanes;
                       upcoming.terms += share;
                     }
                     return upcoming;
                   });
  }

  /// sums (rows, one group) = left * weights over some terms. upcoming(nth, row, last, runs): what
  /// to prefetch during the nth tile, of rows row <= r < last; `runs` has room for its list.
  template <class F>
  void multiply_tiles(const ColumnGroups<T>& weights, Index group, Index rows, const Left<T>& all,
                      Terms terms, Onto onto, const F& upcoming) {
    const Index tiles = (rows + kRows - 1) / kRows, size = terms.end - terms.begin;
    const Right<T> from = right(weights, group, terms.begin);
    for (Index nth = 0; nth < tiles; ++nth) {
      const Index row = rows * nth / tiles, last = rows * (nth + 1) / tiles;
      const Left<T> left = {all.data + row * all.stride, all.stride, all.line_stride};
      const Result<T> result = {sums_ + row * kGroup, kGroup, kLanes};
      const T* runs[kRows * kRunsOfRow];
      const Upcoming<T> fetched = upcoming(nth, row, last, runs);
      if (partial(weights, group)) {
        product_by_rows<V>(vectors(weights, group), left, from, size, onto, result, last - row);
        continue;
      }
      with_constant<kRows>(last - row, [&](auto r) {
        with_constant<kGroupVectors>(vectors(weights, group), [&](auto C) {
          product_tile<V, r.value, C.value, false, false>(left, from, size, onto, result, fetched);
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
    if (after.rows == 0 || task_.dense_gates == 0) return;
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
  const ProjectedOutput<V> output_;
  const Index first_rank_, last_rank_, hidden_;
  const bool projects_;
  const Groups units_;    // of H
  const Groups outputs_;  // of P

  T* sums_ = nullptr;
  alignas(64) T one_row_[kMaxGroups * kGroup];
};

}  // namespace
}  // namespace peephole::kernels
