#pragma once

#include "peephole/types.hpp"

/// Products where an instruction multiplies a vector by one lane of another (V::by_lane). A load
/// then brings the factors of several terms, and none is broadcast: with broadcasts, NEON would
/// spend a fifth of its arithmetic instructions on them.
namespace peephole::kernels {
namespace {

template <int N>
struct Int {
  static constexpr int value = N;
};

/// f(Int<0>()), f(Int<1>()), ..., f(Int<N - 1>()).
template <int N, class F>
[[gnu::always_inline]] inline void for_constants(const F& f) {
  if constexpr (N > 0) {
    for_constants<N - 1>(f);
    f(Int<N - 1>());
  }
}

/// sum(r, n) += vector(n) times one lane of factor[r], for N vectors. The factors are held, and
/// the vectors taken one at a time.
template <int kLane, int N, class V, int R, class Vector, class Sum>
[[gnu::always_inline]] inline void add_lane(const V (&factor)[R], const Vector& vector,
                                            const Sum& sum) {
#pragma GCC unroll 16
  for (int n = 0; n < N; ++n) {
    const V w = vector(n);
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) sum(r, n) = V::template fma_by_lane<kLane>(w, factor[r], sum(r, n));
  }
}

/// The same for as many terms as a vector has lanes: factor[r] = rows[r][k], rows[r][k + 1], ...
/// next() moves to the vectors of the next term.
template <int N, class V, int R, class Vector, class Next, class Sum, class T = typename V::Scalar>
[[gnu::always_inline]] inline void add_lanes(const T* const (&rows)[R], Index k,
                                             const Vector& vector, const Next& next,
                                             const Sum& sum) {
  V factor[R];
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) factor[r] = V::load(rows[r] + k);
  for_constants<int{V::lanes}>([&](auto lane) __attribute__((always_inline)) {
    add_lane<lane.value, N>(factor, vector, sum);
    next();
  });
}

/// The same for one term.
template <int N, class V, int R, class Vector, class Next, class Sum, class T = typename V::Scalar>
[[gnu::always_inline]] inline void add_one(const T* const (&rows)[R], Index k, const Vector& vector,
                                           const Next& next, const Sum& sum) {
  V factor[R];
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) factor[r] = V::broadcast(rows[r][k]);
  add_lane<0, N>(factor, vector, sum);
  next();
}

/// One term, whose factors are next to each other: sum(r, n) += vector(n) factors[r].
template <int R, int N, class V, class Vector, class Sum, class T = typename V::Scalar>
[[gnu::always_inline]] inline void add_neighbours(const T* factors, const Vector& vector,
                                                  const Sum& sum) {
  constexpr int kLanes = V::lanes, kFactors = (R + kLanes - 1) / kLanes;
  V factor[kFactors];
  for_constants<kFactors>([&](auto i) __attribute__((always_inline)) {
    constexpr int first = i.value * kLanes;
    factor[i.value] = V::load(factors + first, R - first < kLanes ? R - first : kLanes);
  });
#pragma GCC unroll 16
  for (int n = 0; n < N; ++n) {
    const V w = vector(n);
    for_constants<R>([&](auto r) __attribute__((always_inline)) {
      constexpr int i = r.value / kLanes, lane = r.value % kLanes;
      sum(r.value, n) = V::template fma_by_lane<lane>(w, factor[i], sum(r.value, n));
    });
  }
}

}  // namespace
}  // namespace peephole::kernels
