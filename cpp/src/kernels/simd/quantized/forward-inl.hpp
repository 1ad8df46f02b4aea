#pragma once

#include "kernels/simd/forward/pass-inl.hpp"
#include "kernels/simd/quantized/factors-inl.hpp"
#include "kernels/simd/quantized/product-inl.hpp"

/// The forward pass of a layer with integer weights. It differs from Forward in the products alone:
/// at each step the rows of x, h and, with dense peepholes, c are rounded to integers, which each part of
/// a team does for itself.
namespace peephole::kernels {
namespace {

template <class Integers>
class QuantizedForward
    : public ForwardPass<typename Integers::Float, QuantizedForward<Integers>> {
  using V = typename Integers::Float;
  using Base = ForwardPass<V, QuantizedForward<Integers>>;
  using typename Base::Now;
  using Base::cells_;
  using Base::in_turn;
  using Base::kRows;
  using Base::kSums;
  using Base::panels_;
  using Base::task_;
  using Base::w_;
  using Base::width_;

 public:
  QuantizedForward(const ForwardTask<float>& task, const TeamPart& team)
      : Base(task, team), q_(w_.quantized), rows_(task.quantized[team.part]) {}

  Index project(Index s) const {
    if (q_.input.data == nullptr) return kernels::project<V>(task_, s, panels_);
    const Index end = steps_ahead(task_, s, kIntegerRows);
    if (end <= s + 1) return s;
    Index count = 0;
    for (TaskRows<float> rows(task_, s); rows.step() < end; rows.next()) {
      quantize_rows<Integers>(task_.x + rows.x(), 0, 1, task_.input_size, q_.input.most,
                              rows_.x.from(count++));
    }
    for (Index p = panels_.begin; p < panels_.end; ++p) {
      for_tiles(count, [&](auto R, Index row) {
        add_product<Integers, R.value>(
            q_.input, p, {rows_.x, row}, bias(p),
            {task_.projected + (row * w_.panels + p) * kSums, w_.panels * kSums});
      });
    }
    return end;
  }

  void panels(const Now& now) const {
    const Index rows = now.step.rows;
    if (now.projected == nullptr && q_.input.data != nullptr) {
      quantize_rows<Integers>(task_.x + now.step.x, task_.x_stride, rows, task_.input_size,
                              q_.input.most, rows_.x);
    }
    quantize_rows<Integers>(task_.h_rows[now.parity], task_.h_width, rows, task_.recurrent_size,
                            q_.recurrent.most, rows_.h);
    if (q_.dense.data != nullptr) {
      quantize_rows<Integers>(task_.c_rows[now.parity], width_, rows, task_.hidden_size,
                              q_.dense.most, rows_.c);
    }
    const Index count = panels_.end - panels_.begin;
    for (Index i = 0; i < count; ++i) {
      const Index panel = in_turn(now, i, count);
      for_tiles(rows, [&](auto R, Index row) { tile<R.value>(now, row, panel); });
    }
  }

 private:
  /// f(Int<R>(), row) for tiles of about equally many of `rows` rows, R from `row` on.
  template <class F>
  static void for_tiles(Index rows, const F& f) {
    const Index tiles = (rows + kIntegerRows - 1) / kIntegerRows;
    for (Index nth = 0; nth < tiles; ++nth) {
      const Index row = rows * nth / tiles;
      with_constant<kIntegerRows>(rows * (nth + 1) / tiles - row, [&](auto R) { f(R, row); });
    }
  }

  Sums<const float> bias(Index panel) const { return {w_.bias + panel * kSums, 0}; }

  template <int R>
  void tile(const Now& now, Index row, Index panel) const {
    alignas(64) float memory[R * kSums];
    const Sums<float> sums = {memory, kSums};
    const Sums<const float> so_far = {memory, kSums};
    Sums<const float> begin = bias(panel);
    if (now.projected != nullptr) {
      begin = {now.projected + (row * w_.panels + panel) * kSums, w_.panels * kSums};
    } else if (q_.input.data != nullptr) {
      add_product<Integers, R>(q_.input, panel, {rows_.x, row}, begin, sums);
      begin = so_far;
    } else {
      input_in_float<R>(now, row, panel, memory);
      begin = so_far;
    }
    add_product<Integers, R>(q_.recurrent, panel, {rows_.h, row}, begin, sums);
    if (q_.dense.data != nullptr) {
      add_product<Integers, R>(q_.dense, panel, {rows_.c, row}, so_far, sums);
    }
    cells_.template finish<R>(now, row, panel, sums);
  }

  /// sums (R, 4, lanes) = b + W x
  template <int R>
  void input_in_float(const Now& now, Index row, Index panel, float* sums) const {
    const float* const weights = w_.panel + panel * w_.terms * kSums;
#pragma GCC unroll 1
    for (int first = 0; first < R; first += kRows) {
      const Factors<float> x = {task_.x + now.step.x + (row + first) * task_.x_stride,
                                task_.x_stride, task_.input_size};
      with_constant<kRows>(min_index(R - first, kRows), [&](auto n) {
        multiply<V, n.value, 1>(Begin::value, bias(panel), &x, 0, x.size, weights, 0,
                                {sums + first * kSums, kSums});
      });
    }
  }

  const QuantizedWeights& q_;
  const QuantizedRows& rows_;
};

}  // namespace
}  // namespace peephole::kernels
