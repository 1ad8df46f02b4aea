#pragma once

#include "kernels/simd/backward/inputs-inl.hpp"
#include "kernels/simd/backward/tile-inl.hpp"
#include "kernels/simd/norm/statistics-inl.hpp"

/// The gradients of gains, shifts, biases and diagonal peepholes with layer normalisation.
namespace peephole::kernels {
namespace {

/// A share of what a chunk adds to
///
///     dγ_k = Σ_t da_k ⊙ LN(z_k)   db_k = Σ_t da_k   dγ_c = Σ_t dc ⊙ LN(c)   dβ_c = Σ_t dc
///     dP_k = Σ_t dz_k ⊙ c_{t-1}   (or, in the output gate, c_t; with products, of da_k)
///
/// where da and dc are the gradients of γ ⊙ LN(z) + β, and dz those of z. Rows are added in order.
template <class V>
class GainGradients {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kGroup = kGroupVectors * kLanes;

 public:
  GainGradients(const BackwardTask<T>& task, const BackwardChunk& chunk, const ProductShare& share)
      : task_(task),
        norm_(task.norm),
        chunk_(chunk),
        share_(share),
        hidden_(task.hidden_size),
        first_(chunk.first == 0 && !task.accumulate) {}

  void run() const {
    const Index groups = (hidden_ + kGroup - 1) / kGroup, all = (kGates + 1) * groups;
    const Index end = all * (share_.nth + 1) / share_.count;
    for (Index i = all * share_.nth / share_.count; i < end; ++i) {
      const int gate = static_cast<int>(i / groups);
      const Index unit = i % groups * kGroup, width = min_index(hidden_ - unit, kGroup);
      if (gate < kGates) {
        of_gate(gate, unit, width);
      } else if (norm_.dgain_c != nullptr) {
        const Run dc = {norm_.dc + unit, hidden_}, c = {norm_.normalised_c + unit, hidden_};
        add(dc, c, width, norm_.dgain_c + unit, norm_.dshift_c + unit);
      }
    }
  }

 private:
  /// Rows of the chunk.
  struct Run {
    const T* data;
    Index stride;

    const T* row(Index r) const { return data + r * stride; }
  };
  struct States {
    Inputs<V> of;
    Index unit;

    const T* row(Index r) const { return of.row(r) + unit; }
  };

  void of_gate(int gate, Index unit, Index width) const {
    const Index column = gate * hidden_ + unit, all = kGates * hidden_;
    const Index stride = (norm_.form.products ? 2 : 1) * all;
    const Run da = {norm_.da + column, norm_.da_stride};
    const Run normalised = {norm_.normalised + chunk_.row * stride + column, stride};
    T* const dbias = task_.dbias == nullptr ? nullptr : task_.dbias + column;
    add(da, normalised, width, norm_.dgain + column, dbias);
    if (norm_.form.products) {
      add(da, Run{normalised.data + all, stride}, width, norm_.dgain_hh + column, nullptr);
    }
    if ((task_.diagonal_gates >> gate & 1u) == 0) {
      if (task_.ddiagonal != nullptr && first_) {
        for (Index k = 0; k < width; ++k) task_.ddiagonal[column + k] = 0;
      }
      return;
    }
    const bool current = gate == kOutput && task_.output_reads_current;
    const States states = {peephole_inputs<V>(task_, chunk_, current), unit};
    if (norm_.form.products) return add(da, states, width, task_.ddiagonal + column, nullptr);
    // In panels too: a vector of units is one run, and the next one is in its own place.
    for (Index k = 0; k < width; k += kLanes) {
      const Run dz = {task_.da.data + offset(task_.da, column + k), task_.da.row_stride};
      add(dz, States{states.of, unit + k}, min_index(width - k, kLanes),
          task_.ddiagonal + column + k, nullptr);
    }
  }

  /// products += Σ a ⊙ b   sums += Σ a (or null), over the rows of the chunk.
  template <class A, class B>
  void add(const A& a, const B& b, Index width, T* products, T* sums) const {
    with_constant<kGroupVectors>((width + kLanes - 1) / kLanes, [&](auto C) {
      add_vectors<C.value>(a, b, width, products, sums);
    });
  }

  template <int C, class A, class B>
  [[gnu::noinline]] void add_vectors(const A& a, const B& b, Index width, T* products,
                                     T* sums) const {
    const Index tail = width - (C - 1) * kLanes;
    const auto vector = [&](const T* from, int c) __attribute__((always_inline)) {
      return c == C - 1 ? V::load(from + c * kLanes, tail) : V::load(from + c * kLanes);
    };
    V total[C], along[C];
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) total[c] = along[c] = V::zero();
    for (Index row = 0; row < chunk_.rows; ++row) {
      const T* const of_a = a.row(row);
      const T* const of_b = b.row(row);
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) {
        const V value = vector(of_a, c);
        total[c] = total[c] + value;
        along[c] = fma(value, vector(of_b, c), along[c]);
      }
    }
    const auto put = [&](T* to, const V(&values)[C]) {
      if (to == nullptr) return;
      for (int c = 0; c < C; ++c) {
        const Index n = c == C - 1 ? tail : kLanes;
        const V before = first_ ? V::zero() : V::load(to + c * kLanes, n);
        (before + values[c]).store(to + c * kLanes, n);
      }
    };
    put(products, along);
    put(sums, total);
  }

  const BackwardTask<T>& task_;
  const NormBackward<T>& norm_;
  const BackwardChunk& chunk_;
  const ProductShare share_;
  const Index hidden_;
  const bool first_;  // no gradients before: overwrite
};

}  // namespace
}  // namespace peephole::kernels
