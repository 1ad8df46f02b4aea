#pragma once

#include "kernels/simd/exponential-inl.hpp"
#include "kernels/simd/tile-inl.hpp"

/// Mean and variance over the units of a row:
///
///     LN(z) = (z - mean z) scale          scale = 1 / sqrt(var z + epsilon)
///
/// Each lane is summed from vector to vector, then the lanes, always in the same order: the bits
/// depend on the values and the instruction set alone.
namespace peephole::kernels {
namespace {

template <bool kValue>
struct Bool {
  static constexpr bool value = kValue;
};

/// `size` values as vectors, of which the last may be partial.
template <class V>
class Vectors {
  using T = typename V::Scalar;

 public:
  explicit Vectors(Index size)
      : whole_(size / V::lanes * V::lanes), tail_(size - whole_), size_(static_cast<T>(size)) {
    alignas(64) T ones[V::lanes];
    for (Index lane = 0; lane < V::lanes; ++lane) ones[lane] = lane < tail_ ? T(1) : T(0);
    mask_ = V::load(ones);
  }

  /// f(at, whole) for each vector: its first value, and Bool<true> unless it is partial.
  template <class F>
  [[gnu::always_inline]] void each(const F& f) const {
    for (Index at = 0; at < whole_; at += V::lanes) f(at, Bool<true>());
    if (tail_ > 0) f(whole_, Bool<false>());
  }

  /// The values of a vector, 0 in the lanes beyond the last value.
  template <bool kWhole>
  [[gnu::always_inline]] V load(const T* from, Bool<kWhole>) const {
    return kWhole ? V::load(from) : V::load(from, tail_);
  }
  template <bool kWhole>
  [[gnu::always_inline]] void store(V values, T* to, Bool<kWhole>) const {
    if (kWhole) {
      values.store(to);
    } else {
      values.store(to, tail_);
    }
  }
  /// 0 for the lanes beyond the last value.
  template <bool kWhole>
  [[gnu::always_inline]] V masked(V values, Bool<kWhole>) const {
    return kWhole ? values : values * mask_;
  }

  T size() const { return size_; }

 private:
  Index whole_, tail_;
  T size_;
  V mask_;
};

inline float square_root(float a) { return __builtin_sqrtf(a); }
inline double square_root(double a) { return __builtin_sqrt(a); }

template <class V>
struct Statistics {
  using T = typename V::Scalar;

  V mean, scales;
  T scale;

  void set_scale(T value) {
    scale = value;
    scales = V::broadcast(value);
  }
  [[gnu::always_inline]] V apply(V z) const { return (z - mean) * scales; }
};

/// scale, from the sum of the squared deviations of `size` values.
template <class T>
[[gnu::always_inline]] inline T scale_of(T squares, T size, T epsilon) {
  return T(1) / square_root(squares / size + epsilon);
}

/// Of the values that load(at, whole) returns, with 0 beyond the last.
template <class V, class Load, class T = typename V::Scalar>
[[gnu::always_inline]] inline Statistics<V> statistics(const Vectors<V>& vectors, T epsilon,
                                                       const Load& load) {
  V total = V::zero(), squares = V::zero();
  vectors.each([&](Index at, auto whole)
                   __attribute__((always_inline)) { total = total + load(at, whole); });
  const V mean = V::broadcast(sum(total) / vectors.size());
  vectors.each([&](Index at, auto whole) __attribute__((always_inline)) {
    const V deviation = vectors.masked(load(at, whole) - mean, whole);
    squares = fma(deviation, deviation, squares);
  });
  const T scale = scale_of(sum(squares), vectors.size(), epsilon);
  return {mean, V::broadcast(scale), scale};
}

/// The same of kGates runs of values at once: load(gate, at, whole).
template <class V, class Load, class T = typename V::Scalar>
[[gnu::always_inline]] inline void gate_statistics(const Vectors<V>& vectors, T epsilon,
                                                   const Load& load, Statistics<V> (&of)[kGates]) {
  V totals[kGates], squares[kGates];
#pragma GCC unroll 4
  for (int gate = 0; gate < kGates; ++gate) totals[gate] = squares[gate] = V::zero();
  vectors.each([&](Index at, auto whole) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int gate = 0; gate < kGates; ++gate) {
      totals[gate] = totals[gate] + load(gate, at, whole);
    }
  });
#pragma GCC unroll 4
  for (int gate = 0; gate < kGates; ++gate) {
    of[gate].mean = V::broadcast(sum(totals[gate]) / vectors.size());
  }
  vectors.each([&](Index at, auto whole) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int gate = 0; gate < kGates; ++gate) {
      const V deviation = vectors.masked(load(gate, at, whole) - of[gate].mean, whole);
      squares[gate] = fma(deviation, deviation, squares[gate]);
    }
  });
#pragma GCC unroll 4
  for (int gate = 0; gate < kGates; ++gate) {
    of[gate].set_scale(scale_of(sum(squares[gate]), vectors.size(), epsilon));
  }
}

/// The same of all gates together, which are kGates runs of values.
template <class V, class Load, class T = typename V::Scalar>
[[gnu::always_inline]] inline Statistics<V> joint_statistics(const Vectors<V>& vectors, T epsilon,
                                                             const Load& load) {
  V totals[kGates], squares[kGates];
#pragma GCC unroll 4
  for (int gate = 0; gate < kGates; ++gate) totals[gate] = squares[gate] = V::zero();
  const auto joint = [](const V(&of)[kGates]) __attribute__((always_inline)) {
    return sum((of[0] + of[1]) + (of[2] + of[3]));
  };
  const T size = kGates * vectors.size();
  vectors.each([&](Index at, auto whole) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int gate = 0; gate < kGates; ++gate) {
      totals[gate] = totals[gate] + load(gate, at, whole);
    }
  });
  const V mean = V::broadcast(joint(totals) / size);
  vectors.each([&](Index at, auto whole) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int gate = 0; gate < kGates; ++gate) {
      const V deviation = vectors.masked(load(gate, at, whole) - mean, whole);
      squares[gate] = fma(deviation, deviation, squares[gate]);
    }
  });
  const T scale = scale_of(joint(squares), size, epsilon);
  return {mean, V::broadcast(scale), scale};
}

}  // namespace
}  // namespace peephole::kernels
