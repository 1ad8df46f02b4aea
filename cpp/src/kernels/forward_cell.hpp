#pragma once

#include "kernels/activations.hpp"
#include "kernels/forward_pass.hpp"

/// What follows from the gates' sums of one row and one panel of units.
namespace peephole::kernels {
namespace {

template <class V>
struct Cell {
  V i, f, g, o, c, h;
};

/// What the usual activations of the gates' sums divide, and by what.
template <class V>
struct GateFractions {
  V i, f;  // 1 + exp(-a)
  Fraction<V> g;
};

/// c_t = f ⊙ c_{t-1} + g ⊙ i, dividing once for i and g. A product of denominators that overflows
/// stands for an i of less than 1e-28, which then counts as 0.
template <class V>
[[gnu::always_inline]] inline Cell<V> standard_state(const GateFractions<V>& a, V c) {
  const V one = constant<V>(1);
  const V r = one / (a.i * a.g.denominator);
  const V gi = a.g.numerator * r;
  Cell<V> y;
  y.i = a.g.denominator * r;
  y.f = one / a.f;
  y.g = gi * a.i;
  y.c = fma(y.f, c, gi);
  return y;
}

/// h_t = h(c_t) ⊙ o, dividing once; o: 1 + exp(-a_o).
template <class V>
[[gnu::always_inline]] inline void standard_output(V o, Cell<V>& y) {
  const Fraction<V> h = tanh_fraction(y.c);
  const V r = constant<V>(1) / (o * h.denominator);
  y.o = h.denominator * r;
  y.h = h.numerator * r;
}

/// The usual activations. Divisions are what a cell waits for most, so there are three of them for
/// the five.
struct StandardActivations {
  template <class T>
  explicit StandardActivations(const ForwardPass<T>&) {}

  /// a(gate, c): the gate's sum with its peephole of c.
  template <class V, class A>
  [[gnu::always_inline]] Cell<V> cell(const A& a, V c, bool output_reads_current) const {
    Cell<V> y = standard_state<V>({sigmoid_denominator(a(kInput, c)),
                                   sigmoid_denominator(a(kForget, c)), tanh_fraction(a(kCell, c))},
                                  c);
    standard_output(sigmoid_denominator(a(kOutput, output_reads_current ? y.c : c)), y);
    return y;
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

  template <class V, class A>
  [[gnu::always_inline]] Cell<V> cell(const A& a, V c, bool output_reads_current) const {
    Cell<V> y;
    y.i = apply(of.i, a(kInput, c));
    y.f = coupled ? constant<V>(1) - y.i : apply(of.f, a(kForget, c));
    y.g = apply(of.g, a(kCell, c));
    y.c = fma(y.f, c, y.g * y.i);
    y.o = o(a(kOutput, output_reads_current ? y.c : c));
    y.h = this->c(y.c) * y.o;
    return y;
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
  const auto with_peephole = [&](int gate, V state) __attribute__((always_inline)) {
    if ((pass.peephole_gates >> gate & 1u) == 0) return sums[gate];
    return fma(V::load(diagonal + gate * V::lanes), state, sums[gate]);
  };
  return sigma.cell(with_peephole, c, pass.output_reads_current);
}

/// The same of lanes / 4 units, whose gates are the quarters of one vector, with the usual
/// activations and peepholes of c_{t-1} on all gates or none.
template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline Cell<V> quarter_cell(const ForwardPass<T>& pass, V sums,
                                                   const T* diagonal, V c) {
  if (pass.peephole_gates != 0) {
    sums = fma(V::load_quarters(diagonal), c.repeat_first_quarter(), sums);
  }
  const Fraction<V> of_tanh = tanh_fraction(sums);
  V denominator[kGates], tanh_numerator[kGates], tanh_denominator[kGates];
  sigmoid_denominator(sums).split(denominator);
  of_tanh.numerator.split(tanh_numerator);
  of_tanh.denominator.split(tanh_denominator);
  Cell<V> y = standard_state<V>(
      {denominator[kInput], denominator[kForget], {tanh_numerator[kCell], tanh_denominator[kCell]}},
      c);
  standard_output(denominator[kOutput], y);
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
