#pragma once

#include "kernels/simd/backward/inputs-inl.hpp"

/// The gradients of biases and diagonal peepholes, from all da of a chunk.
namespace peephole::kernels {
namespace {

/// A share of
///
///     db_k = Σ_t da_k   dP_k = Σ_t da_k ⊙ c_{t-1}   (or, in the output gate, c_t)
template <class V>
class GateSums {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kGroup = kGroupVectors * kLanes;

 public:
  GateSums(const BackwardTask<T>& task, const BackwardChunk& chunk, const ProductShare& share)
      : task_(task),
        chunk_(chunk),
        share_(share),
        hidden_(task.hidden_size),
        first_(chunk.first == 0 && !task.accumulate) {}

  void run() const {
    if (task_.dbias == nullptr && task_.ddiagonal == nullptr) return;
    const Index groups = (hidden_ + kGroup - 1) / kGroup, all = kGates * groups;
    const Index end = all * (share_.nth + 1) / share_.count;
    for (Index i = all * share_.nth / share_.count; i < end; ++i) {
      const int gate = static_cast<int>(i / groups);
      const Index unit = i % groups * kGroup, rest = hidden_ - unit;
      const Index width = rest < kGroup ? rest : kGroup;
      with_constant<kGroupVectors>((width + kLanes - 1) / kLanes, [&](auto C) {
        if ((task_.diagonal_gates >> gate & 1u) != 0) {
          sums_of<C.value, true>(gate, unit, width);
        } else {
          sums_of<C.value, false>(gate, unit, width);
        }
      });
    }
  }

 private:
  template <int C, bool kPeephole>
  void sums_of(int gate, Index unit, Index width) const {
    const bool current = gate == kOutput && task_.output_reads_current;
    const Inputs<V> states = peephole_inputs<V>(task_, chunk_, current);
    const Index tail = width - (C - 1) * kLanes;
    const auto vector = [&](const T* from, int c) {
      return c == C - 1 ? V::load(from, tail) : V::load(from);
    };
    const T* const from = task_.da.data + offset(task_.da, gate * hidden_ + unit);
    V db[C], dP[C];
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) db[c] = dP[c] = V::zero();
    for (Index row = 0; row < chunk_.rows; ++row) {
      const T* const da = from + row * task_.da.row_stride;
      const T* const state = kPeephole ? states.row(row) + unit : nullptr;
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) {
        const V a = vector(da + offset(task_.da, c * kLanes), c);
        db[c] = db[c] + a;
        if (kPeephole) dP[c] = fma(a, vector(state + c * kLanes, c), dP[c]);
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
    put(task_.dbias, db);
    put(task_.ddiagonal, dP);
  }

  const BackwardTask<T>& task_;
  const BackwardChunk& chunk_;
  const ProductShare share_;
  const Index hidden_;
  const bool first_;  // no gradients before: overwrite
};

}  // namespace
}  // namespace peephole::kernels
