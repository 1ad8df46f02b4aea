#pragma once

#include "kernels/plain/backward_task.hpp"
#include "kernels/simd/activations-inl.hpp"

/// From the gradients of h_t and c_t to those of the gates' sums, for one row and one vector of
/// units.
namespace peephole::kernels {
namespace {

/// One row's values of a vector of units.
template <class V>
struct Saved {
  V i, f, g, o, c, previous_c;
  V clipped;  // the sum of 1 << gate of the gates that were clipped
};

/// Derivatives from activated values, and h(c): of the default activations, known at compile time.
struct StandardDerivatives {
  template <class T>
  explicit StandardDerivatives(const BackwardTask<T>&) {}

  static constexpr bool coupled = false, clips_cell = false, clips_gates = false;
  template <class V>
  V within_cell_clip(const Saved<V>&, V dc) const {
    return dc;
  }
  template <class V>
  V i(V i) const {
    return sigmoid_derivative(i);
  }
  template <class V>
  V f(V f) const {
    return sigmoid_derivative(f);
  }
  template <class V>
  V g(V g) const {
    return tanh_derivative(g);
  }
  template <class V>
  V o(V o) const {
    return sigmoid_derivative(o);
  }
  template <class V>
  V h(V h_of_c) const {
    return tanh_derivative(h_of_c);
  }
  template <class V>
  V h_of(V c) const {
    return tanh(c);
  }
};

/// Of any other activations, and of clipped values.
template <class T>
struct ChosenDerivatives {
  explicit ChosenDerivatives(const BackwardTask<T>& task)
      : of(task.activations),
        coupled(task.coupled_input_forget),
        clips_cell(task.clips_cell),
        clips_gates(task.clipped != nullptr),
        cell_clip(task.cell_clip) {}

  /// dc, 0 where c_t was clipped.
  template <class V>
  [[gnu::always_inline]] V within_cell_clip(const Saved<V>& y, V dc) const {
    const V unclipped = fma(y.f, y.previous_c, y.g * y.i);
    return select_less(V::broadcast(cell_clip), abs(unclipped), V::zero(), dc);
  }

  template <class V>
  V i(V i) const {
    return by(of.i, i);
  }
  template <class V>
  V f(V f) const {
    return by(of.f, f);
  }
  template <class V>
  V g(V g) const {
    return by(of.g, g);
  }
  template <class V>
  V o(V o) const {
    return by(of.o, o);
  }
  template <class V>
  V h(V h_of_c) const {
    return by(of.c, h_of_c);
  }
  template <class V>
  [[gnu::noinline]] V h_of(V c) const {
    return activate(of.c, c);
  }

  Activations of;
  bool coupled, clips_cell, clips_gates;
  T cell_clip;

 private:
  template <class V>
  [[gnu::noinline]] static V by(Activation activation, V y) {
    return derivative(activation, y);
  }
};

template <class V>
struct CellGradient {
  V da_i, da_f, da_g, da_o, dc;
  V h_of_c;  // h(c_t)
};

/// The diagonal peepholes of a vector of units, or zeros.
template <class V>
struct Diagonal {
  V i, f, g, o;
};

template <class V, bool kWhole, class T = typename V::Scalar>
[[gnu::always_inline]] inline V load(const T* from, Index n) {
  return kWhole ? V::load(from) : V::load(from, n);
}

template <bool kWhole, class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline void store(V value, T* to, Index n) {
  if (kWhole) {
    value.store(to);
  } else {
    value.store(to, n);
  }
}

/// What the tape has for one row, from one of its units on.
template <class T>
struct SavedRow {
  const T* gates;
  const T* c;
  const T* previous_c;
  const T* clipped;  // or null

  SavedRow(const BackwardTask<T>& task, Index packed, Index unit) {
    const Index H = task.hidden_size, previous = task.previous[packed];
    gates = task.gates + packed * kGates * H + unit;
    c = task.c + packed * H + unit;
    clipped = task.clipped == nullptr ? nullptr : task.clipped + packed * H + unit;
    previous_c =
        (previous >= 0 ? task.state_c + previous * H : task.initial_c + ~previous * H) + unit;
  }
};

/// n units from the k-th on, a whole vector or less; gates lie H apart.
template <class V, bool kWhole, class T>
[[gnu::always_inline]] inline Saved<V> load_saved(const SavedRow<T>& row, Index H, Index k,
                                                  Index n) {
  const T* const gates = row.gates + k;
  return {load<V, kWhole>(gates + kInput * H, n),
          load<V, kWhole>(gates + kForget * H, n),
          load<V, kWhole>(gates + kCell * H, n),
          load<V, kWhole>(gates + kOutput * H, n),
          load<V, kWhole>(row.c + k, n),
          load<V, kWhole>(row.previous_c + k, n),
          V::zero()};
}

/// The same, with the gates that were clipped if Derivatives have some.
template <class V, bool kWhole, class Derivatives, class T>
[[gnu::always_inline]] inline Saved<V> load_saved(const Derivatives& d, const SavedRow<T>& row,
                                                  Index H, Index k, Index n) {
  Saved<V> y = load_saved<V, kWhole>(row, H, k, n);
  if (d.clips_gates) y.clipped = load<V, kWhole>(row.clipped + k, n);
  return y;
}

/// da of a gate, 0 where it was clipped. `rest` is the sum of 1 << gate of this and of lower gates;
/// afterwards, of lower ones.
template <class V>
[[gnu::always_inline]] inline V drop_clipped(int gate, V& rest, V da) {
  const V bit = V::broadcast(static_cast<typename V::Scalar>(1 << gate));
  const V kept = select_less(rest, bit, da, V::zero());
  rest = select_less(rest, bit, rest, rest - bit);
  return kept;
}

/// n units from `unit` on, a whole vector or less.
template <class V, class T>
Diagonal<V> load_diagonal(const BackwardTask<T>& task, Index unit, Index n) {
  const auto of = [&](int gate) {
    if ((task.diagonal_gates >> gate & 1u) == 0) return V::zero();
    return V::load(task.weights.diagonal + gate * task.hidden_size + unit, n);
  };
  return {of(kInput), of(kForget), of(kCell), of(kOutput)};
}

/// da of the gates but o into rows `apart`.
template <bool kWhole, class V, class T = typename V::Scalar>
[[gnu::always_inline]] inline void store_da(const CellGradient<V>& result, T* da, Index apart,
                                            Index n) {
  store<kWhole>(result.da_i, da + kInput * apart, n);
  store<kWhole>(result.da_f, da + kForget * apart, n);
  store<kWhole>(result.da_g, da + kCell * apart, n);
}

/// Of a layer's peepholes, what its cells need to know; a copy stays in registers.
struct PeepholeForm {
  bool diagonal;              // in any gate
  bool output_reads_current;  // P_o reads c_t

  template <class T>
  explicit PeepholeForm(const BackwardTask<T>& task)
      : diagonal(task.diagonal_gates != 0), output_reads_current(task.output_reads_current) {}
};

/// Exact backpropagation through time of the architecture note's equations; dh and dc hold what
/// comes from above and from t+1, and dc of the result is dc_{t-1} but for dense peepholes.
///
///     do = dh ⊙ h(c_t)            da_o = do ⊙ σ_o'(a_o)
///     dc += dh ⊙ o ⊙ h'(c_t)      [o reads c_t:  dc += P_o ⊙ da_o]
template <class V, class Derivatives>
[[gnu::always_inline]] inline void output_gradient(PeepholeForm form, const Derivatives& d,
                                                   const Saved<V>& y, const Diagonal<V>& P, V dh,
                                                   CellGradient<V>& result) {
  const V h_of_c = result.h_of_c = d.h_of(y.c);
  result.da_o = dh * (h_of_c * d.o(y.o));
  if (d.clips_gates) {
    V rest = y.clipped;
    result.da_o = drop_clipped(kOutput, rest, result.da_o);
  }
  result.dc = fma(dh, y.o * d.h(h_of_c), result.dc);
  if (form.output_reads_current) result.dc = fma(P.o, result.da_o, result.dc);
}

///     di = dc ⊙ g                 da_i = di ⊙ σ_i'
///     df = dc ⊙ c_{t-1}           da_f = df ⊙ σ_f'          [f = 1 - i:  di -= df, da_f = 0]
///     dg = dc ⊙ i                 da_g = dg ⊙ g'
///     dc_{t-1} = dc ⊙ f + P_i ⊙ da_i + P_f ⊙ da_f + P_g ⊙ da_g  [o reads c_{t-1}:  + P_o ⊙ da_o]
///
/// Where c_t was clipped, dc is 0 before it goes on to the gates; where a_k was, da_k is 0.
///
/// What multiplies dh and dc is formed apart: in a recurrence they are what is waited for.
template <class V, class Derivatives>
[[gnu::always_inline]] inline void state_gradient(PeepholeForm form, const Derivatives& d,
                                                  const Saved<V>& y, const Diagonal<V>& P,
                                                  CellGradient<V>& result) {
  const V dc = d.clips_cell ? d.within_cell_clip(y, result.dc) : result.dc;
  if (d.coupled) {
    result.da_i = dc * ((y.g - y.previous_c) * d.i(y.i));
    result.da_f = V::zero();
  } else {
    result.da_i = dc * (y.g * d.i(y.i));
    result.da_f = dc * (y.previous_c * d.f(y.f));
  }
  result.da_g = dc * (y.i * d.g(y.g));
  if (d.clips_gates) {
    V rest = y.clipped;
    drop_clipped(kOutput, rest, V::zero());
    result.da_g = drop_clipped(kCell, rest, result.da_g);
    result.da_f = drop_clipped(kForget, rest, result.da_f);
    result.da_i = drop_clipped(kInput, rest, result.da_i);
  }
  result.dc = dc * y.f;
  if (!form.diagonal) return;
  result.dc = fma(P.i, result.da_i, result.dc);
  result.dc = fma(P.f, result.da_f, result.dc);
  result.dc = fma(P.g, result.da_g, result.dc);
  if (!form.output_reads_current) result.dc = fma(P.o, result.da_o, result.dc);
}

}  // namespace
}  // namespace peephole::kernels
