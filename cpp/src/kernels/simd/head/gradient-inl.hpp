#pragma once

#include "kernels/plain/head_task.hpp"
#include "kernels/simd/head/product-inl.hpp"

/// The gradient of the head.
namespace peephole::kernels {
namespace {

/// dh = dlogits V
template <class V, class T = typename V::Scalar>
void head_input_gradient(const HeadGradientTask<T>& task, Index begin, Index end) noexcept {
  const Index F = task.input_size, O = task.output_size;
  const HeadRows<T>& dlogits = task.dlogits;
  for (Index first = 0; first < F; first += kGroupColumns<V>) {
    product<false, V>(Left<T>{dlogits.data + begin * dlogits.time_stride, dlogits.time_stride},
                      end - begin, Right<T>{task.packed + first * O, kGroupColumns<V>, 0, V::lanes},
                      O, Onto::nothing,
                      Result<T>{task.dh + begin * task.dh_stride + first, task.dh_stride, 0},
                      min_index(F - first, kGroupColumns<V>));
  }
}

/// Rows one after another.
template <class T>
class RowWalk {
 public:
  RowWalk(const HeadRows<T>& rows, Index first)
      : rows_(rows), step_(rows.data + first / rows.batch * rows.time_stride) {
    in_step_ = first % rows.batch;
    row_ = step_ + in_step_ * rows.batch_stride;
  }

  const T* row() const { return row_; }
  void advance() {
    row_ += rows_.batch_stride;
    if (++in_step_ < rows_.batch) return;
    in_step_ = 0;
    row_ = step_ += rows_.time_stride;
  }

 private:
  const HeadRows<T>& rows_;
  const T* step_;
  const T* row_;
  Index in_step_;
};

/// Rows that are multiplied at a time: their group of inputs then stays in L1. The sums of such
/// blocks are added up, which is more accurate than one chain over all rows.
inline constexpr Index kBlockRows = 128;

/// dweight = dlogitsᵀ h, of a block of outputs and inputs.
template <class V>
class HeadWeightGradient {
  using T = typename V::Scalar;
  static constexpr Index kColumns = kGroupColumns<V>;
  /// With fewer outputs, copying rows takes longer than their product.
  static constexpr Index kOutputsWorthCopying = 12;

 public:
  HeadWeightGradient(const HeadGradientTask<T>& task, const HeadBlock& block)
      : task_(task), block_(block) {}

  void run() {
    // Of no rows, the gradient is 0: one block without terms.
    for (Index row = 0; row == 0 || row < task_.rows; row += kBlockRows) {
      const Index rows = min_index(kBlockRows, task_.rows - row);
      const Left<T> left = outputs_of(row, rows);
      for (Index group = block_.first_group; group < block_.last_group; ++group) {
        add(left, row, rows, group * kColumns);
      }
    }
    if (block_.first_group == 0) sum_bias();
  }

 private:
  Index outputs() const { return block_.last_output - block_.first_output; }

  /// dlogits of the block. They are copied where their rows are far apart: each row would take a
  /// page of memory of its own, more of them than the processor keeps addresses for.
  Left<T> outputs_of(Index row, Index rows) {
    const HeadRows<T>& dlogits = task_.dlogits;
    if (dlogits.batch == 1) {
      const Index stride = dlogits.time_stride;
      const bool is_narrow = outputs() < kOutputsWorthCopying || outputs() == stride;
      if (is_narrow) return {dlogits.data + row * stride + block_.first_output, stride};
    }
    const auto end = outputs_ + rows * kBlockOutputs;
    RowWalk<T> from(dlogits, row);
    for (T* to = outputs_; to < end; to += kBlockOutputs, from.advance()) {
      copy(from.row() + block_.first_output, outputs(), to);
    }
    return {outputs_, kBlockOutputs};
  }

  void add(const Left<T>& left, Index row, Index rows, Index column) {
    const Index F = task_.input_size;
    const Index columns = min_index(F - column, kColumns);
    const T* const h = task_.h + row * task_.h_stride + column;
    Right<T> right = {h, task_.h_stride, 0, V::lanes};
    if (outputs() >= kOutputsWorthCopying || columns % V::lanes != 0) {
      for (Index r = 0; r < rows; ++r) {
        copy(h + r * task_.h_stride, columns, inputs_ + r * kColumns);
      }
      right = {inputs_, kColumns, 0, V::lanes};
    }
    product<true, V>(left, outputs(), right, rows, row == 0 ? Onto::nothing : Onto::after,
                     Result<T>{task_.dweight + block_.first_output * F + column, F, 0}, columns);
  }

  /// A row of `columns` values, with zeros up to a whole vector.
  static void copy(const T* from, Index columns, T* to) {
    const Index whole = columns - columns % V::lanes;
    for (Index c = 0; c < whole; c += V::lanes) V::load(from + c).store(to + c);
    if (whole < columns) V::load(from + whole, columns - whole).store(to + whole);
  }

  void sum_bias() const {
    for (Index o = block_.first_output; o < block_.last_output; o += V::lanes) {
      const Index count = min_index(V::lanes, block_.last_output - o);
      V total = V::zero();
      RowWalk<T> dlogits(task_.dlogits, 0);
      for (Index row = 0; row < task_.rows; row += kBlockRows) {
        const Index end = min_index(row + kBlockRows, task_.rows);
        V sum = V::zero();
        for (Index r = row; r < end; ++r, dlogits.advance()) {
          sum = sum + V::load(dlogits.row() + o, count);
        }
        total = total + sum;
      }
      total.store(task_.dbias + o, count);
    }
  }

  const HeadGradientTask<T>& task_;
  const HeadBlock& block_;
  // Of a block of rows.
  alignas(64) T inputs_[kBlockRows * kColumns];
  alignas(64) T outputs_[kBlockRows * kBlockOutputs];
};

template <class V, class T = typename V::Scalar>
void head_weight_gradient(const HeadGradientTask<T>& task, const HeadBlock& block) noexcept {
  HeadWeightGradient<V>(task, block).run();
}

}  // namespace
}  // namespace peephole::kernels
