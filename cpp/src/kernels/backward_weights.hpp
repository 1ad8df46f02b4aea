#pragma once

#include "kernels/backward_cell.hpp"
#include "kernels/backward_pass.hpp"
#include "kernels/backward_tile.hpp"

/// The gradients of all parameters, by all of a chunk's da.
namespace peephole::kernels {
namespace {

/// One part's share of them: some of their 4H rows. Each value is summed in one order, whatever the
/// number of parts.
template <class V>
class WeightGradients {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kGroup = kGroupVectors * kLanes;
  static constexpr int kRows = kTileRows<V>;

  // Columns of da whose rows of a product stay in L2 while all inputs pass by.
  static constexpr Index kBlockColumns = 1024;
  // Gradients of so few rows are only a matter of writing them: row by row, as they lie.
  static constexpr int kFewRows = 3;

 public:
  WeightGradients(const BackwardPass<T>& pass, const BackwardChunk& chunk, int part, int parts)
      : pass_(pass),
        chunk_(chunk),
        part_(part),
        parts_(parts),
        hidden_(pass.hidden_size),
        first_(chunk.first == 0),
        last_(&chunk == pass.chunks + pass.chunk_count - 1),
        inputs_(pass.inputs + part * pass.inputs_size) {}

  void run() const {
    sums();
    const Index I = pass_.input_size, all = kGates * hidden_;
    const Range columns = share(0, all);
    weight_gradient({pass_.x, pass_.x_stride, nullptr}, I, columns, pass_.dweight_ih,
                    pass_.dweight_ih_columns);
    weight_gradient({pass_.h, pass_.h_stride, pass_.initial_h}, hidden_, columns, pass_.dweight_hh,
                    pass_.dweight_hh_columns);
    if (pass_.dweight_ch != nullptr) dense_peepholes();
  }

 private:
  struct Range {
    Index begin, end;
  };

  static Index least(Index a, Index b) { return a < b ? a : b; }
  static Index round_up(Index n, Index unit) { return (n + unit - 1) / unit * unit; }
  Range share(Index begin, Index end) const {
    return {begin + (end - begin) * part_ / parts_, begin + (end - begin) * (part_ + 1) / parts_};
  }
  /// da of the chunk's row `row`.
  const T* da(Index row) const { return pass_.da + row * pass_.da_stride; }

  // ------------------------------------------------------------------- biases, diagonal peepholes

  /// db_k = Σ_t da_k   dP_k = Σ_t da_k ⊙ c_{t-1}   (or, in the output gate, c_t)
  void sums() const {
    if (pass_.dbias == nullptr && pass_.ddiagonal == nullptr) return;
    const Index groups = (hidden_ + kGroup - 1) / kGroup;
    const Range mine = share(0, kGates * groups);
    for (Index i = mine.begin; i < mine.end; ++i) {
      const int gate = static_cast<int>(i / groups);
      const Index unit = i % groups * kGroup, width = least(kGroup, hidden_ - unit);
      with_constant<kGroupVectors>((width + kLanes - 1) / kLanes, [&](auto C) {
        if ((pass_.diagonal_gates >> gate & 1u) != 0) {
          sums_of<C.value, true>(gate, unit, width);
        } else {
          sums_of<C.value, false>(gate, unit, width);
        }
      });
    }
  }

  template <int C, bool kPeephole>
  void sums_of(int gate, Index unit, Index width) const {
    const bool current = gate == kOutput && pass_.output_reads_current;
    const Index tail = width - (C - 1) * kLanes;
    const auto vector = [&](const T* from, int c) {
      return c == C - 1 ? V::load(from + c * kLanes, tail) : V::load(from + c * kLanes);
    };
    V db[C], dP[C];
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) db[c] = dP[c] = V::zero();
    for (Index row = 0; row < chunk_.rows; ++row) {
      const T* const from = da(row) + gate * hidden_ + unit;
      const T* const state = kPeephole ? peephole_state(row, current) + unit : nullptr;
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) {
        const V a = vector(from, c);
        db[c] = db[c] + a;
        if (kPeephole) dP[c] = fma(a, vector(state, c), dP[c]);
      }
    }
    const auto put = [&](T* to, const V(&values)[C]) {
      if (to == nullptr) return;
      to += gate * hidden_ + unit;
      for (int c = 0; c < C; ++c) {
        const Index n = c == C - 1 ? tail : kLanes;
        const V before = first_ ? V::zero() : V::load(to + c * kLanes, n);
        (before + values[c]).store(to + c * kLanes, n);
      }
    };
    put(pass_.dbias, db);
    put(pass_.ddiagonal, dP);
  }

  const T* peephole_state(Index row, bool current) const {
    const Index packed = chunk_.row + row;
    return current ? pass_.c + packed * hidden_
                   : previous({pass_.c, hidden_, pass_.initial_c}, packed);
  }

  // -------------------------------------------------------------------------------------- weights

  /// The inputs of a product by packed rows; with `initial`, those of the step before.
  struct Inputs {
    const T* data;
    Index stride;
    const T* initial;
  };

  const T* previous(const Inputs& inputs, Index packed) const {
    const Index row = pass_.previous[packed];
    return row >= 0 ? inputs.data + row * inputs.stride : inputs.initial + ~row * hidden_;
  }
  const T* input(const Inputs& inputs, Index row) const {
    const Index packed = chunk_.row + row;
    return inputs.initial == nullptr ? inputs.data + packed * inputs.stride
                                     : previous(inputs, packed);
  }

  /// inputs_ (rows, width rounded up to vectors) = columns of the inputs from `first` on.
  void gather(const Inputs& inputs, Range rows, Index first, Index width) const {
    const Index whole = width / kLanes * kLanes, stride = round_up(width, kLanes);
    for (Index row = rows.begin; row < rows.end; ++row) {
      const T* const from = input(inputs, row) + first;
      T* const to = inputs_ + (row - rows.begin) * stride;
      for (Index k = 0; k < whole; k += kLanes) V::load(from + k).store(to + k);
      if (whole < width) V::load(from + whole, width - whole).store(to + whole);
    }
  }

  /// dW_k = Σ_t da_k x_tᵀ   dR_k = Σ_t da_k h_{t-1}ᵀ   dP_k = Σ_t da_k c_{t-1}ᵀ
  ///
  /// of rows `mine` of the (.., width) gradient, whose row 0 belongs to column 0 of da.
  void weight_gradient(const Inputs& inputs, Index width, Range mine, T* gradient,
                       T* transposed) const {
    if (transposed != nullptr) {
      transposed_gradient(inputs, width, gradient, transposed);
      return;
    }
    if (first_ && chunk_.rows <= kFewRows) {
      with_constant<kFewRows>(chunk_.rows, [&](auto R) {
        gradient_of_few_rows<R.value>(inputs, width, mine, gradient);
      });
      return;
    }
    for (Index k = 0; k < chunk_.rows; k += kProductRows) {
      const Range rows = {k, least(k + kProductRows, chunk_.rows)};
      for (Index m = mine.begin; m < mine.end; m += kBlockColumns) {
        const Range block = {m, least(m + kBlockColumns, mine.end)};
        for (Index first = 0; first < width; first += kGroup) {
          const Index taken = least(kGroup, width - first);
          gather(inputs, rows, first, taken);
          gradient_block(rows, block, taken, {gradient + first, width, 0});
        }
      }
    }
  }

  template <int R>
  void gradient_of_few_rows(const Inputs& inputs, Index width, Range mine, T* gradient) const {
    const T* from[R];
    for (int r = 0; r < R; ++r) from[r] = input(inputs, r);
    for (Index first = 0; first < width; first += kGroup) {
      const Index taken = least(kGroup, width - first);
      with_constant<kGroupVectors>((taken + kLanes - 1) / kLanes, [&](auto C) {
        write_columns<R, C.value>(from, first, taken - (C.value - 1) * kLanes, mine,
                                  {gradient + first, width, 0});
      });
    }
  }

  template <int R, int C>
  void write_columns(const T* const (&from)[R], Index first, Index tail, Range mine,
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
    T* to = result.data + mine.begin * result.stride;
    for (Index m = mine.begin; m < mine.end; ++m, to += result.stride) {
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

  void gradient_block(Range rows, Range columns, Index width, Result<T> result) const {
    const Index vectors = (width + kLanes - 1) / kLanes, count = columns.end - columns.begin;
    const Index tiles = (count + kRows - 1) / kRows;
    const Right<T> right = {inputs_, vectors * kLanes, 0, 0};
    const Onto onto = first_ && rows.begin == 0 ? Onto::nothing : Onto::after;
    T* const gradient = result.data;
    result.tail = width - (vectors - 1) * kLanes;
    for (Index nth = 0; nth < tiles; ++nth) {
      const Index column = columns.begin + count * nth / tiles;
      const Index end = columns.begin + count * (nth + 1) / tiles;
      const Left<T> left = {da(rows.begin) + column, pass_.da_stride};
      result.data = gradient + column * result.stride;
      with_constant<kRows>(end - column, [&](auto R) {
        with_constant<kGroupVectors>(vectors, [&](auto C) {
          product_tile<V, R.value, C.value, true, false, true>(left, right, rows.end - rows.begin,
                                                               onto, result);
        });
      });
    }
  }

  /// The same where the inputs would fill their vectors badly: the vectors run along da.
  void transposed_gradient(const Inputs& inputs, Index width, T* gradient, T* transposed) const {
    const Index all = kGates * hidden_, groups = (all + kGroup - 1) / kGroup;
    const Range mine = share(0, groups);
    for (Index k = 0; k < chunk_.rows; k += kProductRows) {
      const Range rows = {k, least(k + kProductRows, chunk_.rows)};
      gather(inputs, rows, 0, width);
      for (Index group = mine.begin; group < mine.end; ++group) {
        const Index first = group * kGroup;
        transposed_block(rows, width, first, least(kGroup, all - first), transposed);
      }
    }
    if (!last_) return;
    const Index end = least(mine.end * kGroup, all);
    for (Index column = mine.begin * kGroup; column < end; ++column) {
      for (Index i = 0; i < width; ++i) {
        gradient[column * width + i] = transposed[i * pass_.da_stride + column];
      }
    }
  }

  void transposed_block(Range rows, Index width, Index first, Index columns, T* transposed) const {
    const Index vectors = (columns + kLanes - 1) / kLanes, tiles = (width + kRows - 1) / kRows;
    const Right<T> right = {da(rows.begin) + first, pass_.da_stride, 0,
                            columns - (vectors - 1) * kLanes};
    const Onto onto = first_ && rows.begin == 0 ? Onto::nothing : Onto::after;
    for (Index nth = 0; nth < tiles; ++nth) {
      const Index i = width * nth / tiles, end = width * (nth + 1) / tiles;
      const Left<T> left = {inputs_ + i, round_up(width, kLanes)};
      const Result<T> result = {transposed + i * pass_.da_stride + first, pass_.da_stride, kLanes};
      with_constant<kRows>(end - i, [&](auto R) {
        with_constant<kGroupVectors>(vectors, [&](auto C) {
          product_tile<V, R.value, C.value, true, true, false>(left, right, rows.end - rows.begin,
                                                               onto, result);
        });
      });
    }
  }

  void dense_peepholes() const {
    const Range mine = share(0, kGates * hidden_);
    for (int gate = 0; gate < kGates; ++gate) {
      const Index begin = gate * hidden_, end = begin + hidden_;
      const Range columns = {mine.begin > begin ? mine.begin : begin, least(mine.end, end)};
      if (columns.begin >= columns.end) continue;
      if ((pass_.dense_gates >> gate & 1u) == 0) {
        if (first_) zero(pass_.dweight_ch + columns.begin * hidden_, columns, hidden_);
        continue;
      }
      const bool current = gate == kOutput && pass_.output_reads_current;
      weight_gradient({pass_.c, hidden_, current ? nullptr : pass_.initial_c}, hidden_, columns,
                      pass_.dweight_ch, nullptr);
    }
  }

  static void zero(T* rows, Range range, Index width) {
    for (Index k = 0; k < (range.end - range.begin) * width; ++k) rows[k] = T(0);
  }

  const BackwardPass<T>& pass_;
  const BackwardChunk& chunk_;
  const Index part_, parts_, hidden_;
  const bool first_, last_;  // of the pass
  T* const inputs_;          // (kProductRows, kGroup)
};

}  // namespace
}  // namespace peephole::kernels
