#pragma once

#include "layer/layer.hpp"
#include "reference/eigen.hpp"

/// Bounds of values, and what a gradient does there: it passes up to the bound, and is 0 beyond it.
namespace peephole::reference {

/// Whether a value is beyond ±bound; NaN is not.
template <class T>
bool beyond(T value, double bound) noexcept {
  const T limit = static_cast<T>(bound);
  return value > limit || value < -limit;
}

/// values = values clipped to ±bound; NaN stays NaN.
template <class Values>
void clip_all(double bound, Values&& values) {
  if (bound == kNoClip) return;
  using T = typename std::decay_t<Values>::Scalar;
  const T limit = static_cast<T>(bound);
  values = values.unaryExpr([=](T v) { return v > limit ? limit : v < -limit ? -limit : v; });
}

/// gradients = 0 where `values` are beyond ±bound.
template <class Values, class Gradients>
void clip_gradient(double bound, const Values& values, Gradients&& gradients) {
  if (bound == kNoClip) return;
  using T = typename std::decay_t<Gradients>::Scalar;
  for (Index row = 0; row < gradients.rows(); ++row) {
    for (Index k = 0; k < gradients.cols(); ++k) {
      if (beyond<T>(values(row, k), bound)) gradients(row, k) = T{0};
    }
  }
}

/// clipped (n, H) += 1 << gate where this gate's a is beyond ±bound.
template <class A, class Clipped>
void note_clipped(double bound, Gate gate, const A& a, Clipped&& clipped) {
  using T = typename std::decay_t<Clipped>::Scalar;
  for (Index row = 0; row < clipped.rows(); ++row) {
    for (Index k = 0; k < clipped.cols(); ++k) {
      if (beyond<T>(a(row, k), bound)) clipped(row, k) += static_cast<T>(1 << index(gate));
    }
  }
}

/// Whether `clipped`, the sum of 1 << gate over some gates, has this one.
template <class T>
bool has_gate(Gate gate, T clipped) noexcept {
  for (int higher = kGates - 1; higher > index(gate); --higher) {
    if (clipped >= static_cast<T>(1 << higher)) clipped -= static_cast<T>(1 << higher);
  }
  return clipped >= static_cast<T>(1 << index(gate));
}

/// da (n, H) of a gate = 0 where its a was clipped.
template <class Clipped, class DA>
void drop_clipped(Gate gate, const Clipped& clipped, DA&& da) {
  using T = typename std::decay_t<DA>::Scalar;
  for (Index row = 0; row < da.rows(); ++row) {
    for (Index k = 0; k < da.cols(); ++k) {
      if (has_gate<T>(gate, clipped(row, k))) da(row, k) = T{0};
    }
  }
}

}  // namespace peephole::reference
