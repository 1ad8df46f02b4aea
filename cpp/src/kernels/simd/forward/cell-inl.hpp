#pragma once

#include "kernels/plain/forward_task.hpp"
#include "kernels/simd/activations-inl.hpp"
#include "kernels/simd/side_by_side-inl.hpp"

/// From the gates' sums of one row and one panel of units to c_t and h_t.
namespace peephole::kernels {
namespace {

template <class V>
struct Cell {
  V i, f, g, o, c, h;
};

/// A cell up to c_t, and o or its denominator. h_t follows in a second phase, so that the cells of
/// several panels overlap.
template <class V>
struct OpenCell {
  V i, f, g, c;
  V o;  // o, or the denominator of 1 / o
};

/// c_t = f ⊙ c_{t-1} + g ⊙ i, with one division for i and g together, from the default activations
/// of the gates' sums: i, f and o are 1 + exp(-a). If the product of the denominators of i and g
/// overflows, i is less than 1e-28, and counts as 0.
template <class V>
[[gnu::always_inline]] inline OpenCell<V> standard_state(const V& i, const V& f, const V& o,
                                                         const Fraction<V>& g, const V& c) {
  const V one = constant<V>(1), y_f = one / f;
  const V gi = g.numerator / (i * g.denominator);
  return {one / i, y_f, gi * i, fma(y_f, c, gi), o};
}

/// h_t = h(c_t) ⊙ o, with one division.
template <class V>
[[gnu::always_inline]] inline V standard_output(V o, V c) {
  const Fraction<V> h = tanh_fraction(c);
  return h.numerator / (o * h.denominator);
}

/// The default activations. Divisions take the longest in a cell: three serve the five activations,
/// and two more are needed only where i, g and o are kept.
struct StandardActivations {
  template <class T>
  explicit StandardActivations(const ForwardTask<T>&) {}

  /// a(gate, c): the gate's sum, with its peephole from c. i and g come first: most depends on
  /// them.
  template <class V, class A>
  [[gnu::always_inline]] OpenCell<V> open(const A& a, V c, bool output_reads_current) const {
    const V i = sigmoid_denominator(a(kInput, c));
    const Fraction<V> g = tanh_fraction(a(kCell, c));
    const V f = sigmoid_denominator(a(kForget, c));
    const OpenCell<V> open = standard_state(i, f, i, g, c);  // o follows
    const V o = sigmoid_denominator(a(kOutput, output_reads_current ? open.c : c));
    return {open.i, open.f, open.g, open.c, o};
  }
  template <class V>
  [[gnu::always_inline]] Cell<V> close(const OpenCell<V>& open) const {
    return {open.i, open.f, open.g, constant<V>(1) / open.o, open.c, h(open)};
  }
  /// h_t alone.
  template <class V>
  [[gnu::always_inline]] V h(const OpenCell<V>& open) const {
    return standard_output(open.o, open.c);
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

/// Any other activations, f = 1 - i, and clipped values.
template <class T>
struct ChosenActivations {
  explicit ChosenActivations(const ForwardTask<T>& task)
      : of(task.activations),
        coupled(task.coupled_input_forget),
        cell_clip(task.cell_clip),
        preactivation_clip(task.preactivation_clip) {}

  template <class V, class A>
  [[gnu::always_inline]] OpenCell<V> open(const A& a, V c, bool output_reads_current) const {
    const V i = gate(of.i, a(kInput, c));
    const V f = coupled ? constant<V>(1) - i : gate(of.f, a(kForget, c));
    const V g = gate(of.g, a(kCell, c));
    const V next = clip(fma(f, c, g * i), cell_clip);
    return {i, f, g, next, o(a(kOutput, output_reads_current ? next : c))};
  }
  template <class V>
  [[gnu::always_inline]] Cell<V> close(const OpenCell<V>& open) const {
    return {open.i, open.f, open.g, open.o, open.c, h(open)};
  }
  template <class V>
  [[gnu::always_inline]] V h(const OpenCell<V>& open) const {
    return c(open.c) * open.o;
  }
  template <class V>
  V o(V a) const {
    return gate(of.o, a);
  }
  template <class V>
  V c(V a) const {
    return apply(of.c, a);
  }

  Activations of;
  bool coupled;
  T cell_clip, preactivation_clip;

 private:
  template <class V>
  [[gnu::always_inline]] V gate(Activation activation, V a) const {
    return apply(activation, clip(a, preactivation_clip));
  }
  /// NaN stays NaN. An infinite bound changes nothing.
  template <class V>
  [[gnu::always_inline]] static V clip(V a, T bound) {
    return clamp(a, -bound, bound);
  }
  template <class V>
  [[gnu::always_inline]] static SideBySide<V, 1> clip(const SideBySide<V, 1>& a, T bound) {
    return SideBySide<V, 1>::same(clip(a.v[0], bound));
  }
  template <class V>
  [[gnu::noinline]] static V apply(Activation activation, V a) {
    return activate(activation, a);
  }
  template <class V>
  static SideBySide<V, 1> apply(Activation activation, const SideBySide<V, 1>& a) {
    return SideBySide<V, 1>::same(apply(activation, a.v[0]));
  }
};

/// Where the values of one row and panel are stored; rows of width H end after `units`.
template <class T>
struct CellRows {
  Index units;
  const T* c_previous;
  T* c_next;
  T* h_next;
  T* h;      // in the caller's array; null: copied later
  T* c;      // null in inference
  T* gates;  // (4, H); null in inference
  Index gate_stride;
};

template <class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline V diagonal_of(const T* diagonal, int gate) {
  return V::load(diagonal + gate * V::lanes);
}
template <class V, class Diagonal>
[[gnu::always_inline]] inline V diagonal_of(const Diagonal& diagonal, int gate) {
  return diagonal[gate];
}

/// The equations of the layer (F. Gers, J. Schmidhuber, "Recurrent nets that time and count", IJCNN
/// 2000, with peepholes on all gates). The sums are given, without the diagonal peepholes:
///
///     a_k,t = W_k x_t + R_k h_{t-1} + b_k + P_k ⊙ c_{t-1}       (or, in the output gate, c_t)
///     i = σ_i(a_i)   f = σ_f(a_f)   g = g(a_g)   o = σ_o(a_o)
///     c_t = f ⊙ c_{t-1} + g ⊙ i
///     h_t = h(c_t) ⊙ o
///
/// sums: of each gate, by its index. diagonal: (4, lanes), P of this panel; or what gives a gate's
/// P by its index.
template <class V, class Sigma, class Sums, class Diagonal, class T = typename V::Scalar>
[[gnu::always_inline]] inline OpenCell<V> open_cell(const ForwardTask<T>& task, const Sigma& sigma,
                                                    const Sums& sums, const Diagonal& diagonal,
                                                    V c) {
  const auto with_peephole = [&](int gate, V state) __attribute__((always_inline)) -> V {
    if ((task.peephole_gates >> gate & 1u) == 0) return sums[gate];
    return fma(diagonal_of<V>(diagonal, gate), state, sums[gate]);
  };
  return sigma.open(with_peephole, c, task.output_reads_current);
}

/// The gates' sums of up to lanes / 4 units, from the quarters of one vector to one vector each.
template <class V>
[[gnu::always_inline]] inline void split_quarters(V sums, V (&gates)[kGates]) {
  gates[kInput] = V::widen(sums.template quarter<kInput>());
  gates[kForget] = V::widen(sums.template quarter<kForget>());
  gates[kCell] = V::widen(sums.template quarter<kCell>());
  gates[kOutput] = V::widen(sums.template quarter<kOutput>());
}

/// Whether open_quarters or open_halves compute a cell whose gates share vectors: peepholes of
/// c_{t-1} on all gates or none.
template <class T>
[[gnu::always_inline]] inline bool gates_alike(const ForwardTask<T>& task) {
  const bool all = task.peephole_gates == (1u << kGates) - 1 && !task.output_reads_current;
  return all || task.peephole_gates == 0;
}

/// The same of up to lanes / 4 units, whose gates are the quarters of one vector, with the default
/// activations.
template <class V, class Part = typename V::Quarter, class T = typename V::Scalar>
[[gnu::always_inline]] inline OpenCell<Part> open_quarters(const ForwardTask<T>& task, V sums,
                                                           const T* diagonal, Part c) {
  if (task.peephole_gates != 0) sums = fma(V::load_quarters(diagonal), V::repeat(c), sums);
  const Fraction<V> a = fraction<QuarterLanes>(sums);
  const V& below = a.denominator;
  return standard_state<Part>(
      below.template quarter<kInput>(), below.template quarter<kForget>(),
      below.template quarter<kOutput>(),
      {a.numerator.template quarter<kCell>(), below.template quarter<kCell>()}, c);
}

/// The same of up to lanes / 2 units: i and f, g and o are the halves of two vectors.
template <class V, class Part = typename V::Half, class T = typename V::Scalar>
[[gnu::always_inline]] inline OpenCell<Part> open_halves(const ForwardTask<T>& task, V i_f, V g_o,
                                                         const T* diagonal, Part c) {
  static_assert(kInput == 0 && kForget == 1 && kCell == 2 && kOutput == 3);
  if (task.peephole_gates != 0) {
    const T* const of_g = diagonal + kCell * V::lanes;
    i_f = fma(V::load_halves(diagonal, diagonal + V::lanes), V::repeat(c), i_f);
    g_o = fma(V::load_halves(of_g, of_g + V::lanes), V::repeat(c), g_o);
  }
  const V below_i_f = sigmoid_denominator(i_f);
  const Fraction<V> a = fraction<HalfLanes>(g_o);
  return standard_state<Part>(
      below_i_f.template half<0>(), below_i_f.template half<1>(), a.denominator.template half<1>(),
      {a.numerator.template half<0>(), a.denominator.template half<0>()}, c);
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
