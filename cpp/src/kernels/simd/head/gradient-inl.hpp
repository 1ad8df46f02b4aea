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
  for (Index first = 0; first < F; first += kGroupColumns<V>) {
    product<false, V>(Left<T>{task.dlogits + begin * O, O}, end - begin,
                      Right<T>{task.packed + first * O, kGroupColumns<V>, 0, V::lanes}, O,
                      Onto::nothing,
                      Result<T>{task.dh + begin * task.dh_stride + first, task.dh_stride, 0},
                      min_index(F - first, kGroupColumns<V>));
  }
}

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
    const Index O = task_.output_size;
    const T* const dlogits = task_.dlogits + row * O + block_.first_output;
    if (outputs() < kOutputsWorthCopying || outputs() == O) return {dlogits, O};
    copy(dlogits, O, rows, outputs(), outputs_, kBlockOutputs);
    return {outputs_, kBlockOutputs};
  }

  void add(const Left<T>& left, Index row, Index rows, Index column) {
    const Index F = task_.input_size;
    const Index columns = min_index(F - column, kColumns);
    const T* const h = task_.h + row * task_.h_stride + column;
    Right<T> right = {h, task_.h_stride, 0, V::lanes};
    if (outputs() >= kOutputsWorthCopying || columns % V::lanes != 0) {
      copy(h, task_.h_stride, rows, columns, inputs_, kColumns);
      right = {inputs_, kColumns, 0, V::lanes};
    }
    product<true, V>(left, outputs(), right, rows, row == 0 ? Onto::nothing : Onto::after,
                     Result<T>{task_.dweight + block_.first_output * F + column, F, 0}, columns);
  }

  /// Rows of `columns` values, with zeros up to a whole vector.
  static void copy(const T* from, Index stride, Index rows, Index columns, T* to, Index to_stride) {
    const Index whole = columns - columns % V::lanes;
    for (Index r = 0; r < rows; ++r, from += stride, to += to_stride) {
      for (Index c = 0; c < whole; c += V::lanes) V::load(from + c).store(to + c);
      if (whole < columns) V::load(from + whole, columns - whole).store(to + whole);
    }
  }

  void sum_bias() const {
    for (Index o = block_.first_output; o < block_.last_output; o += V::lanes) {
      const Index count = min_index(V::lanes, block_.last_output - o);
      V total = V::zero();
      for (Index row = 0; row < task_.rows; row += kBlockRows) {
        const Index end = min_index(row + kBlockRows, task_.rows);
        V sum = V::zero();
        for (Index r = row; r < end; ++r) {
          sum = sum + V::load(task_.dlogits + r * task_.output_size + o, count);
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
