#pragma once

#include "kernels/simd/by_lane-inl.hpp"
#include "peephole/types.hpp"

/// The matrix product of all forward kernels: a few rows times a few panels of weights, with the
/// sums in registers.
namespace peephole::kernels {
namespace {

inline Index min_index(Index a, Index b) { return a < b ? a : b; }

/// Vectors of a panel's row k: those of the four gates, (4, lanes).
template <class V>
inline constexpr Index kPanelRow = kGates * V::lanes;

/// Rows of the largest tile. The sums of 6 rows take 24 of 32 registers, beside 4 weights and one
/// factor, or 6 vectors of factors and a weight or two; those of 3 rows take 12 of 16, beside 3
/// factors and one weight. 2 rows leave room for the product where it is not fused with the sum.
template <class V>
inline constexpr int kTileRows = V::registers == 32 ? 6
                                 : V::fused         ? 3
                                                    : 2;

/// Panels of a tile of R rows, if the step has no more rows: enough independent sums to hide the
/// latency of an addition (4 cycles, 2 additions per cycle).
template <class V, int R>
inline constexpr int kTilePanels = V::registers == 32 ? (R == 1   ? 4
                                                         : R <= 3 ? 2
                                                                  : 1)
                                                      : (R == 1 ? 2 : 1);

/// Rows of factors: of x, h or c. The first is `data`.
template <class T>
struct Factors {
  const T* data;
  Index stride;
  Index size;
};

/// Sums of a tile's rows, (R, P, 4, lanes), rows `stride` apart.
template <class T>
struct Sums {
  T* data;
  Index stride;
};

/// Weights to prefetch into L2 during a product, `step` elements further with each term. A little
/// at a time: a burst would delay the loads of the product itself.
template <class T>
struct Ahead {
  const T* data;  // null: none
  Index step;
};

/// accumulate() with factors taken from lanes.
template <class V, int R, int P, bool kAhead, class T = typename V::Scalar>
[[gnu::always_inline]] inline void accumulate_by_lane(V (&sums)[R][P][kGates],
                                                      const T* const (&factors)[R], Index size,
                                                      const T* panel, Index panel_stride,
                                                      Ahead<T> ahead) {
  const T* panels[P];
#pragma GCC unroll 4
  for (int p = 0; p < P; ++p) panels[p] = panel + p * panel_stride;
  const auto sum = [&](int r, int n) __attribute__((always_inline)) -> V& {
    return sums[r][n / kGates][n % kGates];
  };
  const auto vector = [&](int n) __attribute__((always_inline)) {
    return V::load(panels[n / kGates] + n % kGates * V::lanes);
  };
  const auto next = [&]() __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) panels[p] += kPanelRow<V>;
    if constexpr (kAhead) {
      __builtin_prefetch(ahead.data, 0, 2);
      ahead.data += ahead.step;
    }
  };
  Index k = 0;
  for (; k + V::lanes <= size; k += V::lanes) {
    add_lanes<P * kGates, V>(factors, k, vector, next, sum);
  }
#pragma GCC unroll 1
  for (; k < size; ++k) add_one<P * kGates, V>(factors, k, vector, next, sum);
}

/// sums += factors * panel, for `size` terms.
template <class V, int R, int P, bool kAhead = false, class T = typename V::Scalar>
[[gnu::always_inline]] inline void accumulate(V (&sums)[R][P][kGates], const T* const (&factors)[R],
                                              Index size, const T* panel, Index panel_stride,
                                              Ahead<T> ahead = {}) {
  if constexpr (V::by_lane) {
    accumulate_by_lane<V, R, P, kAhead>(sums, factors, size, panel, panel_stride, ahead);
    return;
  }
#pragma GCC unroll 4
  for (Index k = 0; k < size; ++k, panel += kPanelRow<V>) {
    if constexpr (kAhead) __builtin_prefetch(ahead.data + k * ahead.step, 0, 2);
    if constexpr (P == 1 && V::registers == 32) {
      V w[kGates];
#pragma GCC unroll 4
      for (int gate = 0; gate < kGates; ++gate) w[gate] = V::load(panel + gate * V::lanes);
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) {
        const V factor = V::broadcast(factors[r][k]);
#pragma GCC unroll 4
        for (int gate = 0; gate < kGates; ++gate) {
          sums[r][0][gate] = fma(w[gate], factor, sums[r][0][gate]);
        }
      }
    } else {
      // Few registers: hold the factors, and take one weight at a time.
      V factor[R];
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) factor[r] = V::broadcast(factors[r][k]);
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
        for (int gate = 0; gate < kGates; ++gate) {
          const V w = V::load(panel + p * panel_stride + gate * V::lanes);
#pragma GCC unroll 6
          for (int r = 0; r < R; ++r) sums[r][p][gate] = fma(w, factor[r], sums[r][p][gate]);
        }
      }
    }
  }
}

/// The initial value of a tile's sums.
enum class Begin {
  value,  // the given sums (a stride of 0: the same for every row)
  zero,   // 0; the chain so formed is then added to `result`
};

/// result = begin + (factors[0] factors[1] ...) * panel over terms k_begin <= k < k_end, in order.
/// The rows of `panel` are those of all factors' terms in turn. begin and result may be the same.
/// Not inlined, so that the registers are the sums' alone.
template <class V, int R, int P, bool kAhead = false, class T = typename V::Scalar>
[[gnu::noinline]] void multiply(Begin as, Sums<const T> begin, const Factors<T>* factors,
                                Index k_begin, Index k_end, const T* panel, Index panel_stride,
                                Sums<T> result, Ahead<T> ahead = {}) {
  V sums[R][P][kGates];
  const auto for_sums = [&](const auto& f) __attribute__((always_inline)) {
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
        for (int gate = 0; gate < kGates; ++gate) {
          f(sums[r][p][gate], r, (p * kGates + gate) * V::lanes);
        }
      }
    }
  };
  if (as == Begin::value) {
    for_sums([&](V& sum, int r, Index at) __attribute__((always_inline)) {
      sum = V::load(begin.data + r * begin.stride + at);
    });
  } else {
    for_sums([](V& sum, int, Index) __attribute__((always_inline)) { sum = V::zero(); });
  }
  panel += k_begin * kPanelRow<V>;
  for (Index k = k_begin; k < k_end; ++factors) {
    const Index size = factors->size;
    if (k_begin >= size) {
      k_begin -= size;
      continue;
    }
    const Index count = size - k_begin < k_end - k ? size - k_begin : k_end - k;
    const T* rows[R];
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) rows[r] = factors->data + r * factors->stride + k_begin;
    accumulate<V, R, P, kAhead>(sums, rows, count, panel, panel_stride, ahead);
    panel += count * kPanelRow<V>;
    if constexpr (kAhead) ahead.data += count * ahead.step;
    k += count;
    k_begin = 0;
  }
  const auto to = [&](int r, Index at) __attribute__((always_inline)) {
    return result.data + r * result.stride + at;
  };
  if (as == Begin::value) {
    for_sums([&](V& sum, int r, Index at) __attribute__((always_inline)) { sum.store(to(r, at)); });
  } else {
    for_sums([&](V& sum, int r, Index at)
                 __attribute__((always_inline)) { (V::load(to(r, at)) + sum).store(to(r, at)); });
  }
}

/// f(Int<n>()), for 1 <= n <= kMax.
template <int kMax, class F>
[[gnu::always_inline]] inline void with_constant(Index n, const F& f) {
  if constexpr (kMax > 1) {
    if (n < kMax) return with_constant<kMax - 1>(n, f);
  }
  f(Int<kMax>());
}

}  // namespace
}  // namespace peephole::kernels
