#pragma once

#include "peephole/types.hpp"

/// A few vectors that go through the same operations together.
namespace peephole::kernels {
namespace {

/// N vectors as one: each operation is done for every vector before the next operation begins. A
/// single vector would mostly wait for its own results, and a processor looks ahead only by about
/// the operations of one cell.
///
/// The interface is that of V, as far as the default activations need it. Constants and weights,
/// which are the same for all vectors, are broadcast or loaded once.
template <class V, int N>
struct SideBySide {
  using Scalar = typename V::Scalar;
  static constexpr Index lanes = V::lanes;
  static constexpr bool fused = V::fused;
  V v[N];

  // Vector by vector. Copied as a whole they would go through memory, in smaller pieces than those
  // in which they are read again, which takes some 20 cycles.
  SideBySide() = default;
  [[gnu::always_inline]] SideBySide(const SideBySide& a) {
    set([&](int n) { return a.v[n]; });
  }
  [[gnu::always_inline]] SideBySide& operator=(const SideBySide& a) {
    set([&](int n) { return a.v[n]; });
    return *this;
  }

  /// f(n) as the nth vector.
  template <class F>
  [[gnu::always_inline]] static SideBySide of(const F& f) {
    SideBySide all;
    all.set(f);
    return all;
  }
  [[gnu::always_inline]] static SideBySide same(V a) {
    return of([&](int) __attribute__((always_inline)) { return a; });
  }
  [[gnu::always_inline]] static SideBySide broadcast(Scalar a) { return same(V::broadcast(a)); }
  [[gnu::always_inline]] static SideBySide load(const Scalar* p) { return same(V::load(p)); }

#define PEEPHOLE_BY_TWO(operation, expression)                                                   \
  [[gnu::always_inline]] friend SideBySide operation(const SideBySide& a, const SideBySide& b) { \
    return of([&](int n) __attribute__((always_inline)) { return expression; });                 \
  }
#define PEEPHOLE_BY_THREE(operation)                                                             \
  [[gnu::always_inline]] friend SideBySide operation(const SideBySide& a, const SideBySide& b,   \
                                                     const SideBySide& c) {                      \
    return of([&](int n)                                                                         \
                  __attribute__((always_inline)) { return operation(a.v[n], b.v[n], c.v[n]); }); \
  }
  PEEPHOLE_BY_TWO(operator+, a.v[n] + b.v[n])
  PEEPHOLE_BY_TWO(operator-, a.v[n] - b.v[n])
  PEEPHOLE_BY_TWO(operator*, a.v[n] * b.v[n])
  PEEPHOLE_BY_TWO(operator/, a.v[n] / b.v[n])
  PEEPHOLE_BY_TWO(keep_nan, keep_nan(a.v[n], b.v[n]))
  PEEPHOLE_BY_THREE(fma)
  PEEPHOLE_BY_THREE(fnma)
  PEEPHOLE_BY_THREE(clamp_numbers)
#undef PEEPHOLE_BY_TWO
#undef PEEPHOLE_BY_THREE

  [[gnu::always_inline]] friend SideBySide power_of_two(const SideBySide& a) {
    return of([&](int n) __attribute__((always_inline)) { return power_of_two(a.v[n]); });
  }

 private:
  /// Without a loop: compilers keep arrays in registers only where all indices are constants from
  /// the beginning.
  template <class F>
  [[gnu::always_inline]] void set(const F& f) {
    static_assert(N <= 3);
    v[0] = f(0);
    if constexpr (N > 1) v[1] = f(1);
    if constexpr (N > 2) v[2] = f(2);
  }
};

}  // namespace
}  // namespace peephole::kernels
