#pragma once

#include "kernels/activations.hpp"
#include "kernels/forward_pass.hpp"

/// What follows from the gates' sums of one row and one panel of units.
namespace peephole::kernels {
namespace {

/// The usual activations, resolved when compiled.
struct StandardActivations {
  template <class T>
  explicit StandardActivations(const ForwardPass<T>&) {}

  template <class V>
  V i(V a) const {
    return sigmoid(a);
  }
  template <class V>
  V f(V a, V) const {
    return sigmoid(a);
  }
  template <class V>
  V g(V a) const {
    return tanh(a);
  }
  template <class V>
  V o(V a) const {
    return sigmoid(a);
  }
  template <class V>
  V c(V a) const {
    return tanh(a);
  }
};

/// Any others, and f = 1 - i.
struct ChosenActivations {
  template <class T>
  explicit ChosenActivations(const ForwardPass<T>& pass)
      : of(pass.activations), coupled(pass.coupled_input_forget) {}

  template <class V>
  V i(V a) const {
    return apply(of.i, a);
  }
  template <class V>
  V f(V a, V i) const {
    return coupled ? constant<V>(1) - i : apply(of.f, a);
  }
  template <class V>
  V g(V a) const {
    return apply(of.g, a);
  }
  template <class V>
  V o(V a) const {
    return apply(of.o, a);
  }
  template <class V>
  V c(V a) const {
    return apply(of.c, a);
  }

  Activations of;
  bool coupled;

 private:
  template <class V>
  [[gnu::noinline]] static V apply(Activation activation, V a) {
    return activate(activation, a);
  }
};

/// Where a row's values of one panel belong; those of arrays of width H end after `units`.
template <class T>
struct CellRows {
  Index units;
  const T* c_previous;
  T* c_next;
  T* h_next;
  T* h;
  T* c;      // null in inference
  T* gates;  // (4, H); null in inference
  Index gate_stride;
};

template <class V>
struct Cell {
  V i, f, g, o, c, h;
};

/// The equations of the architecture note (Gers & Schmidhuber 2000 with peepholes on all gates), of
/// which the first sums without the diagonal peepholes are given:
///
///     a_k,t = W_k x_t + R_k h_{t-1} + b_k + P_k ⊙ c_{t-1}       (or, in the output gate, c_t)
///     i = σ_i(a_i)   f = σ_f(a_f)   g = g(a_g)   o = σ_o(a_o)
///     c_t = f ⊙ c_{t-1} + g ⊙ i
///     h_t = h(c_t) ⊙ o
///
/// diagonal: (4, lanes), P of this panel.
template <class V, class Sigma, class T = typename V::Scalar>
[[gnu::always_inline]] inline Cell<V> cell(const ForwardPass<T>& pass, const Sigma& sigma,
                                           const V (&sums)[kGates], const T* diagonal, V c) {
  const auto with_peephole = [&](int gate, V state) {
    if ((pass.peephole_gates >> gate & 1u) == 0) return sums[gate];
    return fma(V::load(diagonal + gate * V::lanes), state, sums[gate]);
  };
  Cell<V> y;
  y.i = sigma.i(with_peephole(kInput, c));
  y.f = sigma.f(with_peephole(kForget, c), y.i);
  y.g = sigma.g(with_peephole(kCell, c));
  y.c = fma(y.f, c, y.g * y.i);
  y.o = sigma.o(with_peephole(kOutput, pass.output_reads_current ? y.c : c));
  y.h = sigma.c(y.c) * y.o;
  return y;
}

template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline void store_training(const Cell<V>& y, const CellRows<T>& rows) {
  y.i.store(rows.gates + kInput * rows.gate_stride, rows.units);
  y.f.store(rows.gates + kForget * rows.gate_stride, rows.units);
  y.g.store(rows.gates + kCell * rows.gate_stride, rows.units);
  y.o.store(rows.gates + kOutput * rows.gate_stride, rows.units);
  y.c.store(rows.c, rows.units);
}

}  // namespace
}  // namespace peephole::kernels
