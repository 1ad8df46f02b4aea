#pragma once

#include "kernels/plain/step_task.hpp"
#include "kernels/simd/tile-inl.hpp"

/// The sums of a step's tile: of some whole panels and, with tail vectors, of the last one, whose
/// gates share vectors.
namespace peephole::kernels {
namespace {

/// Some consecutive factors, and the weights of the first of them.
template <class T>
struct StepTerms {
  const T* factors;
  Index size;
  const T* weights;
};

/// sums += factors * weights, in order.
template <class V, int N, class T = typename V::Scalar>
[[gnu::always_inline]] inline void add_terms(const StepTerms<T>& terms, V (&sums)[N]) {
  const T* weights = terms.weights;
#pragma GCC unroll 2
  for (Index k = 0; k < terms.size; ++k, weights += N * V::lanes) {
    const V factor = V::broadcast(terms.factors[k]);
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n) sums[n] = fma(V::load(weights + n * V::lanes), factor, sums[n]);
  }
}

/// Some whole panels from `panel` on and, with tail vectors, the layer's last one: at most
/// kTilePanels<V, 1> in all.
template <class T>
struct StepTile {
  Index panel;
  Index whole;
  int tail_vectors;
  const T* weights;
};

/// f(P, kTail) as constants, for the whole panels and tail vectors of a tile.
template <class V, class T, class F>
[[gnu::always_inline]] inline void with_tile(const StepTile<T>& of, const F& f) {
  constexpr int kPanels = kTilePanels<V, 1>;
  if constexpr (V::quarters) {
    const auto tailed = [&](auto tail) __attribute__((always_inline)) {
      with_constant<kPanels>(of.whole + 1, [&](auto P) __attribute__((always_inline)) {
        f(Int<P.value - 1>(), tail);
      });
    };
    if (of.tail_vectors == 1) return tailed(Int<1>());
    if (of.tail_vectors == 2) return tailed(Int<2>());
  }
  with_constant<kPanels>(of.whole, [&](auto P) __attribute__((always_inline)) { f(P, Int<0>()); });
}

template <class V>
class StepSums {
  using T = typename V::Scalar;
  static constexpr Index kLanes = V::lanes;
  static constexpr Index kSums = kPanelRow<V>;

 public:
  /// The most vectors of a tile.
  static constexpr int kMost = kTilePanels<V, 1> * kGates;

  StepSums(const ForwardTask<T>& task, const T* x)
      : task_(task),
        w_(task.weights),
        x_(x),
        dense_(w_.terms > task.input_size + task.recurrent_size) {}

  /// Whether c is among the terms.
  bool dense() const { return dense_; }

  /// sums of P whole panels and kTail vectors.
  template <int P, int kTail, int N>
  [[gnu::always_inline]] void compute(Index panel, const T* weights, V (&sums)[N]) const {
    static_assert(N == P * kGates + kTail);
    begin<P, kTail>(panel, sums);
    constexpr bool kMayHaveTwoChains = P + (kTail > 0 ? 1 : 0) <= kPanelsOfTwoChains;
    if (!kMayHaveTwoChains || w_.second_chain == w_.terms) {
      add_range(0, w_.terms, weights, sums);
    } else if constexpr (kMayHaveTwoChains) {
      V second[N];
#pragma GCC unroll 16
      for (int n = 0; n < N; ++n) second[n] = V::zero();
      if (2 * N < V::registers && !dense_) {
        add_side_by_side(weights, sums, second);
      } else {
        add_range(0, w_.second_chain, weights, sums);
        add_range(w_.second_chain, w_.terms, weights, second);
      }
#pragma GCC unroll 16
      for (int n = 0; n < N; ++n) sums[n] = sums[n] + second[n];
    }
  }

  /// The same of any tile, to memory; compiled once, since each copy costs the compiler a dozen
  /// tiles.
  [[gnu::noinline]] void compute(const StepTile<T>& of, T* sums) const {
    with_tile<V>(of, [&](auto P, auto tail) __attribute__((always_inline)) {
      constexpr int N = P.value * kGates + tail.value;
      V vectors[N];
      compute<P.value, tail.value>(of.panel, of.weights, vectors);
#pragma GCC unroll 16
      for (int n = 0; n < N; ++n) vectors[n].store(sums + n * kLanes);
    });
  }

 private:
  /// The biases.
  template <int P, int kTail, int N>
  [[gnu::always_inline]] void begin(Index panel, V (&sums)[N]) const {
    const T* const bias = w_.bias + panel * kSums;
#pragma GCC unroll 16
    for (int n = 0; n < P * kGates; ++n) sums[n] = V::load(bias + n * kLanes);
    const T* const tail = bias + P * kSums;
    if constexpr (kTail == 1) sums[N - 1] = V::load_quarters(tail);
    if constexpr (kTail == 2) {
      sums[N - 2] = V::load_halves(tail, tail + kLanes);
      sums[N - 1] = V::load_halves(tail + 2 * kLanes, tail + 3 * kLanes);
    }
  }

  /// Terms first <= k < last of x, h and c in turn.
  template <int N>
  [[gnu::always_inline]] void add_range(Index first, Index last, const T* weights,
                                        V (&sums)[N]) const {
    const auto add = [&](const T* factors, Index begin, Index size) __attribute__((always_inline)) {
      const Index from = first > begin ? first : begin;
      const Index to = last < begin + size ? last : begin + size;
      if (from < to) {
        add_terms<V, N>({factors + from - begin, to - from, weights + from * N * kLanes}, sums);
      }
    };
    const Index I = task_.input_size, P = task_.recurrent_size;
    add(x_, 0, I);
    add(task_.state_h, I, P);
    if (dense_) add(task_.state_c, I + P, task_.hidden_size);
  }

  /// Both chains together, if registers hold the sums of both.
  template <int N>
  [[gnu::always_inline]] void add_side_by_side(const T* weights, V (&first)[N],
                                               V (&second)[N]) const {
    const Index I = task_.input_size, both = w_.terms - w_.second_chain;
    const Index last = w_.second_chain - I - both;  // 1 where H is odd
    const T* const h = task_.state_h;
    const T* const a = weights + I * N * kLanes;
    const T* const b = weights + w_.second_chain * N * kLanes;
    add_terms<V, N>({x_, I, weights}, first);
    for (Index k = 0; k < both; ++k) {
      add_terms<V, N>({h + k, 1, a + k * N * kLanes}, first);
      add_terms<V, N>({h + both + last + k, 1, b + k * N * kLanes}, second);
    }
    add_terms<V, N>({h + both, last, a + both * N * kLanes}, first);
  }

  const ForwardTask<T>& task_;
  const ForwardWeights<T>& w_;
  const T* const x_;
  const bool dense_;
};

}  // namespace
}  // namespace peephole::kernels
