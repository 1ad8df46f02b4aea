#pragma once

#include "kernels/backward_cell.hpp"
#include "kernels/backward_pass.hpp"
#include "kernels/backward_tile.hpp"

/// The part of backward that runs step by step: the gradients of the gates' sums, da, of a chunk.
namespace peephole::kernels {
namespace {

/// Some ranks of a chunk. Between steps, dh_{t-1} is a product of da_t; where sequences begin or
/// end within the chunk, and at its ends, it is taken from and left in dstate_h.
template <class V, class Derivatives>
class Recurrence {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kGroup = kGroupVectors * kLanes;
  static constexpr int kRows = kTileRows<V>;

  // Weights of more bytes do not stay in L2 from step to step: the next block is then fetched while
  // one is used, and blocks are short enough for both to fit beside the rows.
  static constexpr Index kCachedBytes = Index{3} << 19;
  static constexpr Index kBlockTerms = 1024;
  static constexpr int kMaxGroups = 4;  // that one row is multiplied with at a time

 public:
  Recurrence(const BackwardPass<T>& pass, Index first_rank, Index last_rank, const TeamPart& team)
      : pass_(pass),
        team_(team),
        derivatives_(pass),
        first_rank_(first_rank),
        last_rank_(last_rank),
        hidden_(pass.hidden_size),
        all_groups_((hidden_ + kGroup - 1) / kGroup),
        first_group_(all_groups_ * team.part / team.parts),
        last_group_(all_groups_ * (team.part + 1) / team.parts) {}

  void run(const BackwardChunk& chunk) {
    first_row_ = chunk.row;
    Step after = {0, 0};  // in time; it was computed before
    for (Index s = chunk.first; s < chunk.last; ++s) {
      const Step now = of_ranks(pass_.steps[s]);
      advance(after, now, s & 1);
      after = now;
    }
    advance(after, {0, 0}, chunk.last & 1);
  }

 private:
  static Index least(Index a, Index b) { return a < b ? a : b; }
  Step of_ranks(Step step) const {
    const Index rows = least(step.rows, last_rank_) - first_rank_;
    return {step.row + first_rank_, rows > 0 ? rows : 0};
  }
  /// Vectors of a group, of which the last may be partial.
  Index vectors(Index group) const {
    return least((hidden_ - group * kGroup + kLanes - 1) / kLanes, kGroupVectors);
  }
  T* da(Index row) const { return pass_.da + (row - first_row_) * pass_.da_stride; }
  void wait() const {
    if (team_.parts > 1) team_.wait(team_.barrier);
  }
  /// Products are formed in (rows, one group), or, for one row, in (groups at hand).
  void make_room(Index rows) {
    sums_ = rows == 1 ? one_row_ : pass_.sums + team_.part * pass_.sums_size + first_rank_ * kGroup;
  }

  /// From da of the step after to da of the step now.
  void advance(Step after, Step now, Index parity) {
    if (after.rows > 0) wait();
    make_room(after.rows);
    const Index count = last_group_ - first_group_;
    for (Index i = 0; i < count;) {
      // In turn from first to last and from last to first: those still in cache come first.
      Index taken = after.rows == 1 ? one_row_groups(count - i) : 1;
      Index group = first_group_ + (parity == 0 ? i : count - taken - i);
      if (taken > 1 && !readable(pass_.weights.weight_hh, group + taken)) {
        taken = 1;
        group = first_group_ + (parity == 0 ? i : count - 1 - i);
      }
      multiply(after, group, taken);
      for (Index g = 0; g < taken; ++g) finish(after, now, group + g, sums_ + g * kGroup);
      i += taken;
    }
    if (dense_output() && now.rows > 0) {
      wait();
      make_room(now.rows);
      for (Index group = first_group_; group < last_group_; ++group) after_dense_output(now, group);
    }
  }

  /// One row takes several groups at once: one alone makes too few independent sums.
  static Index one_row_groups(Index rest) {
    return rest <= kMaxGroups ? rest : rest == kMaxGroups + 1 ? rest / 2 : kMaxGroups;
  }
  /// Whether all vectors of the groups up to `end` may be read.
  bool readable(const ColumnGroups<T>& weights, Index end) const {
    return weights.padded || end * kGroup <= hidden_;
  }

  bool dense_output() const {
    return pass_.output_reads_current && (pass_.dense_gates >> kOutput & 1u) != 0;
  }

  // ------------------------------------------------------------------------------------ products

  /// Terms of a product: those of a run of gates.
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
  void multiply(Step after, Index group, Index taken) {
    if (after.rows == 0) return;
    if (pass_.dense_gates != 0) {
      for (Index g = group; g < group + taken; ++g) add_dense_peepholes(after, g);
    }
    const ColumnGroups<T>& R = pass_.weights.weight_hh;
    if (all_groups_ == 1) {
      multiply_chained(after, R);
    } else if (taken == 1) {
      multiply_blocked(after, R, group, {0, kGates * hidden_}, Onto::nothing);
    } else {
      const Left<T> left = {da(after.row), 0};
      const Result<T> result = {sums_, 0, kLanes};
      with_constant<kMaxGroups>(taken, [&](auto P) {
        product_tile<V, 1, P.value * kGroupVectors, false, false, false>(
            left, right(R, group, 0), kGates * hidden_, Onto::nothing, result);
      });
    }
  }

  /// With few units, the terms are cut into chains that one row's product needs to be formed side
  /// by side; for more rows they follow each other, with the same bits.
  void multiply_chained(Step after, const ColumnGroups<T>& R) {
    const Index terms = kGates * hidden_;
    with_constant<kGroupVectors>(vectors(0), [&](auto C) {
      constexpr int kChains = recurrence_chains(C.value);
      const Index length = terms / kChains;
      if (after.rows == 1) {
        V sums[C.value];
        const Right<T> weights = right(R, 0, 0);
        if (partial(R, 0)) {
          chained_product<kChains, true>(sums, da(after.row), length, weights, terms);
        } else {
          chained_product<kChains, false>(sums, da(after.row), length, weights, terms);
        }
        for (int c = 0; c < C.value; ++c) sums[c].store(sums_ + c * kLanes);
        return;
      }
      for (int j = 0; j < kChains; ++j) {
        multiply_rows(after, R, 0, {j * length, (j + 1) * length},
                      j == 0 ? Onto::nothing : Onto::after);
      }
    });
  }

  /// sums (rows, one group) = da * weights over some terms, onto what they hold; `next` is what
  /// will be read then, or null.
  void multiply_rows(Step after, const ColumnGroups<T>& weights, Index group, Terms terms,
                     Onto onto, const T* next = nullptr) {
    const Index tiles = (after.rows + kRows - 1) / kRows, size = terms.end - terms.begin;
    Right<T> from = right(weights, group, terms.begin);
    from.next = next == nullptr ? from.data : next;
    from.next_step = next == nullptr ? 0 : (weights.row_stride + tiles - 1) / tiles;
    for (Index nth = 0; nth < tiles; ++nth) {
      const Index row = after.rows * nth / tiles, last = after.rows * (nth + 1) / tiles;
      const Left<T> left = {da(after.row + row) + terms.begin, pass_.da_stride};
      const Result<T> result = {sums_ + row * kGroup, kGroup, kLanes};
      with_constant<kRows>(last - row, [&](auto r) {
        with_constant<kGroupVectors>(vectors(group), [&](auto C) {
          if (partial(weights, group)) {
            product_tile<V, r.value, C.value, false, true, false>(left, from, size, onto, result);
          } else {
            product_tile<V, r.value, C.value, false, false, false>(left, from, size, onto, result);
          }
        });
      });
      from.next += size * from.next_step;
    }
  }

  /// The same in blocks of terms, one chain all the same.
  void multiply_blocked(Step after, const ColumnGroups<T>& weights, Index group, Terms terms,
                        Onto onto) {
    const Index bytes = kGates * hidden_ * hidden_ * Index{sizeof(T)};
    const bool cached = bytes <= kCachedBytes || after.rows < kRows || !weights.padded;
    const Index block = cached ? terms.end - terms.begin : kBlockTerms;
    for (Index k = terms.begin; k < terms.end; k += block) {
      const Index end = least(k + block, terms.end);
      multiply_rows(after, weights, group, {k, end}, onto,
                    cached ? nullptr : right(weights, group, end).data);
      onto = Onto::before;
    }
  }

  /// dc_{t-1} += Σ_k P_kᵀ da_k over the gates that read c_{t-1}.
  void add_dense_peepholes(Step after, Index group) {
    Onto onto = Onto::nothing;
    for (int gate = 0; gate < kGates; ++gate) {
      if ((pass_.dense_gates >> gate & 1u) == 0 || (gate == kOutput && dense_output())) continue;
      int last = gate;
      while (last + 1 < kGates && (pass_.dense_gates >> (last + 1) & 1u) != 0 &&
             !(last + 1 == kOutput && dense_output())) {
        ++last;
      }
      multiply_blocked(after, pass_.weights.weight_ch, group,
                       {gate * hidden_, (last + 1) * hidden_}, onto);
      onto = Onto::before;
      gate = last;
    }
    if (onto == Onto::nothing) return;
    for (Index row = 0; row < after.rows; ++row) {
      for_vectors(group, [&](Index c, Index unit, Index n) {
        T* const dc = dc_state(row) + unit;
        (V::load(dc, n) + V::load(sums_ + row * kGroup + c * kLanes)).store(dc, n);
      });
    }
  }

  // ------------------------------------------------------------------------------------- the cell

  T* dh_state(Index row) const { return pass_.dstate_h + (first_rank_ + row) * hidden_; }
  T* dc_state(Index row) const { return pass_.dstate_c + (first_rank_ + row) * hidden_; }

  /// f(c, unit, n) for each vector c of a group: n units from `unit` on.
  template <class F>
  void for_vectors(Index group, const F& f) const {
    const Index end = least((group + 1) * kGroup, hidden_);
    Index c = 0;
    for (Index unit = group * kGroup; unit < end; unit += kLanes) {
      f(c++, unit, least(end - unit, kLanes));
    }
  }

  /// Rows of both steps go on, those of one only end or begin.
  void finish(Step after, Step now, Index group, const T* sums) const {
    const Index going_on = least(after.rows, now.rows);
    for (Index row = 0; row < going_on; ++row) {
      for_vectors(group, [&](Index c, Index unit, Index n) {
        cell(now, row, unit, n, V::load(sums + row * kGroup + c * kLanes));
      });
    }
    for (Index row = going_on; row < after.rows; ++row) {
      for_vectors(group, [&](Index c, Index unit, Index n) {
        V::load(sums + row * kGroup + c * kLanes).store(dh_state(row) + unit, n);
      });
    }
    for (Index row = going_on; row < now.rows; ++row) {
      for_vectors(group, [&](Index, Index unit, Index n) {
        cell(now, row, unit, n, V::load(dh_state(row) + unit, n));
      });
    }
  }

  void cell(Step now, Index row, Index unit, Index n, V recurrent_dh) const {
    if (n == kLanes) {
      whole_or_partial_cell<true>(now, row, unit, n, recurrent_dh);
    } else {
      whole_or_partial_cell<false>(now, row, unit, n, recurrent_dh);
    }
  }

  template <bool kWhole>
  [[gnu::always_inline]] void whole_or_partial_cell(Step now, Index row, Index unit, Index n,
                                                    V recurrent_dh) const {
    const Index packed = now.row + row;
    const Saved<V> y = load_saved<V, kWhole>(pass_, packed, unit, n);
    const Diagonal<V> P = load_diagonal<V, kWhole>(pass_, unit, n);
    const V above = load<V, kWhole>(pass_.dh + packed * pass_.dh_stride + unit, n);
    T* const dc = dc_state(row) + unit;
    T* const to = da(packed) + unit;
    CellGradient<V> result;
    result.dc = load<V, kWhole>(dc, n);
    output_gradient(pass_, derivatives_, y, P, recurrent_dh + above, result);
    store<kWhole>(result.da_o, to + kOutput * hidden_, n);
    if (!dense_output()) {
      state_gradient(pass_, derivatives_, y, P, result);
      store_da<kWhole>(result, to, hidden_, n);
    }
    store<kWhole>(result.dc, dc, n);
  }

  /// An output gate with dense peepholes that reads c_t: dc += P_oᵀ da_o needs all of da_o.
  void after_dense_output(Step now, Index group) {
    multiply_blocked(now, pass_.weights.weight_ch, group,
                     {kOutput * hidden_, (kOutput + 1) * hidden_}, Onto::nothing);
    for (Index row = 0; row < now.rows; ++row) {
      for_vectors(group, [&](Index c, Index unit, Index n) {
        T* const dc = dc_state(row) + unit;
        CellGradient<V> result = {};
        result.dc = V::load(dc, n) + V::load(sums_ + row * kGroup + c * kLanes);
        const Saved<V> y = load_saved<V, false>(pass_, now.row + row, unit, n);
        state_gradient(pass_, derivatives_, y, load_diagonal<V, false>(pass_, unit, n), result);
        store_da<false>(result, da(now.row + row) + unit, hidden_, n);
        result.dc.store(dc, n);
      });
    }
  }

  const BackwardPass<T>& pass_;
  const TeamPart& team_;
  const Derivatives derivatives_;
  const Index first_rank_, last_rank_, hidden_, all_groups_, first_group_, last_group_;

  Index first_row_ = 0;
  T* sums_ = nullptr;
  alignas(64) T one_row_[kMaxGroups * kGroup];
};

}  // namespace
}  // namespace peephole::kernels
