#pragma once

#include "kernels/simd/forward/pass-inl.hpp"
#include "kernels/simd/quantized/factors-inl.hpp"
#include "kernels/simd/quantized/product-inl.hpp"

/// The forward pass of a layer with integer weights. It differs from Forward in the products alone:
/// at each step the rows of x, h and, with dense peepholes, c are rounded to integers, which each
/// part of a team does for itself.
namespace peephole::kernels {
namespace {

template <class Integers>
class QuantizedForward : public ForwardPass<typename Integers::Float, QuantizedForward<Integers>> {
  using V = typename Integers::Float;
  using Base = ForwardPass<V, QuantizedForward<Integers>>;
  using Base::cells_;
  using Base::in_turn;
  using Base::kSums;
  using Base::panels_;
  using Base::task_;
  using Base::w_;
  using Base::width_;
  using typename Base::Now;

 public:
  QuantizedForward(const ForwardTask<float>& task, const TeamPart& team)
      : Base(task, team), q_(w_.quantized), rows_(task.quantized[team.part]) {}

  Index project(Index s) const {
    if (q_.input.data == nullptr) return kernels::project<V>(task_, s, panels_);
    const Index end = steps_ahead(task_, s, kIntegerRows);
    if (end <= s + 1) return s;
    Index count = 0;
    for (TaskRows<float> rows(task_, s); rows.step() < end; rows.next()) {
      quantize_rows<Integers>(task_.x + rows.x(), 0, 1, task_.input_size, q_.input,
                              rows_.x.from(count++));
    }
    for (Index p = panels_.begin; p < panels_.end; ++p) {
      const Sums<float> sums = {task_.projected + p * kSums, w_.panels * kSums};
      multiply_panel<Integers>(q_.input, p, rows_.x, count, bias(p), sums);
    }
    return end;
  }

  void panels(const Now& now) const {
    const Index rows = now.step.rows;
    if (now.projected == nullptr && q_.input.data != nullptr) {
      quantize_rows<Integers>(task_.x + now.step.x, task_.x_stride, rows, task_.input_size,
                              q_.input, rows_.x);
    }
    quantize_rows<Integers>(task_.h_rows[now.parity], task_.h_width, rows, task_.recurrent_size,
                            q_.recurrent, rows_.h);
    if (q_.dense.data != nullptr) {
      quantize_rows<Integers>(task_.c_rows[now.parity], width_, rows, task_.hidden_size, q_.dense,
                              rows_.c);
    }
    // The cells of several panels follow each other, so that one need not wait for another.
    const Index count = panels_.end - panels_.begin;
    const Index block = kBlockSums / (rows * kSums) > 1 ? kBlockSums / (rows * kSums) : 1;
    for (Index first = 0; first < count; first += block) {
      const Index last = min_index(first + block, count);
      const Index panel = lowest_of(now, first, last, count);
      for (Index i = 0; i < last - first; ++i) {
        const Index p = now.parity == 0 ? i : last - first - 1 - i;
        products(now, panel + p, sums_of(now, p));
      }
      cells(now, panel, last - first);
    }
  }

 private:
  /// The sums of so many values are kept before their cells are computed, but at least those of a
  /// panel.
  static constexpr Index kBlockSums = kQuantizedSums;

  /// The lowest panel of those from the first-th in turn up to the last.
  Index lowest_of(const Now& now, Index first, Index last, Index count) const {
    return now.parity == 0 ? in_turn(now, first, count) : in_turn(now, last - 1, count);
  }

  /// The cells of `count` panels, whose sums are complete.
  void cells(const Now& now, Index panel, Index count) const {
    if (now.step.rows == 1) return cells_.finish_row(now, 0, panel, count, rows_.sums);
    for (Index p = 0; p < count; ++p) {
      const Sums<float> sums = sums_of(now, p);
      for_tiles(now.step.rows, [&](auto R, Index row) {
        cells_.template finish<R.value>(now, row, panel + p, rows_from(sums, row));
      });
    }
  }

  Sums<float> sums_of(const Now& now, Index nth) const {
    return {rows_.sums + nth * now.step.rows * kSums, kSums};
  }
  Sums<const float> bias(Index panel) const { return {w_.bias + panel * kSums, 0}; }

  /// All sums of a step and a panel.
  void products(const Now& now, Index panel, Sums<float> sums) const {
    const Index rows = now.step.rows;
    const Sums<const float> so_far = {sums.data, sums.stride};
    Sums<const float> begin = so_far;
    if (now.projected != nullptr) {
      begin = {now.projected + panel * kSums, w_.panels * kSums};
    } else if (q_.input.data != nullptr) {
      multiply_panel<Integers>(q_.input, panel, rows_.x, rows, bias(panel), sums);
    } else {
      input_in_float<V>(task_, task_.x + now.step.x, rows, panel, bias(panel), sums);
    }
    multiply_panel<Integers>(q_.recurrent, panel, rows_.h, rows, begin, sums);
    if (q_.dense.data != nullptr)
      multiply_panel<Integers>(q_.dense, panel, rows_.c, rows, so_far, sums);
  }

  const QuantizedWeights& q_;
  const QuantizedRows& rows_;
};

}  // namespace
}  // namespace peephole::kernels
