#pragma once

#include "kernels/plain/forward_task.hpp"
#include "kernels/simd/tile-inl.hpp"

/// The sums of one row of few units. Only latency limits a step here, so both chains of a sum (see
/// ForwardWeights) are formed together, in registers.
namespace peephole::kernels {
namespace {

/// The terms of one row's sums.
template <class T>
struct RowTerms {
  const T* begin;  // (panels, 4, lanes)
  const T* x;      // null: already in `begin`
  Index input_size;
  const T* h;
};

/// How the two chains divide h: `both` terms each, and one more (`last`) in the first chain if H
/// is odd.
template <class T>
struct Halves {
  Halves(const ForwardWeights<T>& w, Index input_size)
      : both(w.terms - w.second_chain), last(w.second_chain - input_size - both) {}

  Index second() const { return both + last; }

  Index both, last;
};

/// P is all of the panels.
template <class V, int P, class T = typename V::Scalar>
[[gnu::always_inline]] inline void two_chains(const ForwardWeights<T>& w, const RowTerms<T>& row,
                                              V (&sums)[P][kGates]) {
  const Index stride = w.terms * kPanelRow<V>;
  V first[1][P][kGates], second[1][P][kGates];
#pragma GCC unroll 2
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
    for (int gate = 0; gate < kGates; ++gate) {
      first[0][p][gate] = V::load(row.begin + (p * kGates + gate) * V::lanes);
      second[0][p][gate] = V::zero();
    }
  }
  if (row.x != nullptr) {
    accumulate<V, 1, P>(first, {row.x}, row.input_size, w.panel, stride);
  }
  const Halves<T> halves(w, row.input_size);
  const T* const a = w.panel + row.input_size * kPanelRow<V>;
  const T* const b = w.panel + w.second_chain * kPanelRow<V>;
  for (Index k = 0; k < halves.both; ++k) {
    accumulate<V, 1, P>(first, {row.h + k}, 1, a + k * kPanelRow<V>, stride);
    accumulate<V, 1, P>(second, {row.h + halves.second() + k}, 1, b + k * kPanelRow<V>, stride);
  }
  if (halves.last > 0) {
    accumulate<V, 1, P>(first, {row.h + halves.both}, 1, a + halves.both * kPanelRow<V>, stride);
  }
#pragma GCC unroll 2
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
    for (int gate = 0; gate < kGates; ++gate) {
      sums[p][gate] = first[0][p][gate] + second[0][p][gate];
    }
  }
}

/// One panel, and a second of at most lanes / 4 units, whose four gates share one vector: 5
/// products a term instead of 8.
template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline void two_chains_narrow(const ForwardWeights<T>& w,
                                                     const RowTerms<T>& row, V (&sums)[kGates],
                                                     V& narrow_sums) {
  V first[kGates], second[kGates];
#pragma GCC unroll 4
  for (int gate = 0; gate < kGates; ++gate) {
    first[gate] = V::load(row.begin + gate * V::lanes);
    second[gate] = V::zero();
  }
  V first_narrow = V::load_quarters(row.begin + kPanelRow<V>), second_narrow = V::zero();
  const auto add = [&](V(&to)[kGates], V& narrow, T value, Index term)
                       __attribute__((always_inline)) {
                         const V factor = V::broadcast(value);
                         const T* const weights = w.panel + term * kPanelRow<V>;
#pragma GCC unroll 4
                         for (int gate = 0; gate < kGates; ++gate) {
                           to[gate] = fma(V::load(weights + gate * V::lanes), factor, to[gate]);
                         }
                         narrow = fma(V::load(w.narrow + term * V::lanes), factor, narrow);
                       };
  if (row.x != nullptr) {
    for (Index k = 0; k < row.input_size; ++k) add(first, first_narrow, row.x[k], k);
  }
  const Halves<T> halves(w, row.input_size);
  for (Index k = 0; k < halves.both; ++k) {
    add(first, first_narrow, row.h[k], row.input_size + k);
    add(second, second_narrow, row.h[halves.second() + k], w.second_chain + k);
  }
  if (halves.last > 0) {
    add(first, first_narrow, row.h[halves.both], row.input_size + halves.both);
  }
#pragma GCC unroll 4
  for (int gate = 0; gate < kGates; ++gate) sums[gate] = first[gate] + second[gate];
  narrow_sums = first_narrow + second_narrow;
}

}  // namespace
}  // namespace peephole::kernels
