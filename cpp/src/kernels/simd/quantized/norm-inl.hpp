#pragma once

#include "kernels/simd/norm/forward-inl.hpp"
#include "kernels/simd/quantized/factors-inl.hpp"
#include "kernels/simd/quantized/product-inl.hpp"

/// Layer normalisation of integer products.
namespace peephole::kernels {
namespace {

/// The products of NormForwardPass; see FloatProducts for the interface.
template <class Integers>
class IntegerProducts {
  using V = typename Integers::Float;
  static constexpr Index kSums = kPanelRow<V>;

 public:
  explicit IntegerProducts(const ForwardTask<float>& task)
      : task_(task),
        w_(task.weights),
        q_(w_.quantized),
        rows_(*task.quantized),
        row_sums_(w_.panels * kSums) {}

  /// Nothing is multiplied ahead.
  static Index project(Index s) { return s; }

  void of_input(const ForwardStep& now, Index first, Index count, float* sums) const {
    const float* const x = task_.x + now.x + first * task_.x_stride;
    if (q_.input.data != nullptr) {
      quantize_rows<Integers>(x, task_.x_stride, count, task_.input_size, q_.input, rows_.x);
      multiply(q_.input, rows_.x, count, nullptr, sums);
      return;
    }
    for (Index p = 0; p < w_.panels; ++p) {
      input_in_float<V>(task_, x, count, p, zeros(p), {sums + p * kSums, row_sums_});
    }
  }

  void of_recurrence(const ForwardStep&, Index first, Index count, const float* begin,
                     float* sums) const {
    const Index H = task_.hidden_size;
    quantize_rows<Integers>(task_.state_h + first * H, H, count, H, q_.recurrent, rows_.h);
    multiply(q_.recurrent, rows_.h, count, begin, sums);
  }

  void of_both(const ForwardStep& now, Index first, Index count, float* sums) const {
    of_input(now, first, count, sums);
    of_recurrence(now, first, count, sums, sums);
  }

 private:
  /// The bias is a shift here: w_.bias is 0.
  Sums<const float> zeros(Index panel) const { return {w_.bias + panel * kSums, 0}; }

  /// sums (count, panels, 4, lanes) = begin, or 0 for null, + the product
  void multiply(const IntegerPanels& w, const FactorRows& factors, Index count, const float* begin,
                float* sums) const {
    for (Index p = 0; p < w_.panels; ++p) {
      const Sums<const float> from =
          begin != nullptr ? Sums<const float>{begin + p * kSums, row_sums_} : zeros(p);
      multiply_panel<Integers>(w, p, factors, count, from, {sums + p * kSums, row_sums_});
    }
  }

  const ForwardTask<float>& task_;
  const ForwardWeights<float>& w_;
  const QuantizedWeights& q_;
  const QuantizedRows& rows_;
  const Index row_sums_;
};

}  // namespace
}  // namespace peephole::kernels
