#include <algorithm>

#include "reference/activations.hpp"
#include "reference/eigen.hpp"
#include "reference/layer.hpp"
#include "reference/layer_noise.hpp"
#include "reference/products.hpp"
#include "runtime/interruption.hpp"

namespace peephole::reference {
namespace {

/// previous (rows(t), size) = what the state was before step t: packed `values` of the step before
/// it in the layer's direction, or the initial state of sequences that begin at t.
template <class T>
void previous_state(const LayerBackward<T>& layer, Index t, Index size, Rows<const T> values,
                    const T* initial, T* previous) {
  const Schedule& schedule = layer.schedule;
  const Index n = schedule.rows(t);
  const Index before = layer.direction == Direction::forward ? t - 1 : t + 1;
  const bool exists = before >= 0 && before < schedule.steps();
  const Index begun = exists ? std::min(n, schedule.rows(before)) : 0;
  if (begun > 0) {
    matrix(previous, begun, size) = matrix(values, schedule.offset(before), begun, size);
  }
  matrix(previous, n, size).bottomRows(n - begun) = matrix(initial, n, size).bottomRows(n - begun);
}

/// dc += P_kᵀ da_k and dP_k += da_k cᵀ, for the cell state c that gate k reads.
template <class T, class DA, class C, class DC>
void peephole_gradient(const LayerBackward<T>& layer, Gate gate, const DA& da, const C& c,
                       DC&& dc) {
  const Index H = layer.spec.hidden_size;
  if (layer.spec.peephole == Peephole::diagonal) {
    const auto P = row_vector(layer.weights.weight_ch + index(gate) * H, H);
    auto dP = row_vector(layer.dweights.weight_ch + index(gate) * H, H);
    dc.array() += da.array().rowwise() * P.array();
    dP.array() += (da.array() * c.array()).colwise().sum();
  } else {
    const auto P = matrix(layer.weights.weight_ch + index(gate) * H * H, H, H);
    auto dP = matrix(layer.dweights.weight_ch + index(gate) * H * H, H, H);
    multiply(Product::add, operand(da), P, result(dc));
    multiply_transposed(Product::add, operand(da), operand(c), dP);
  }
}

/// do = dh ⊙ h(c_t)            da_o = do ⊙ σ_o'(a_o)
/// dc += dh ⊙ o ⊙ h'(c_t)      [o reads c_t:  dc += P_oᵀ da_o]
/// di = dc ⊙ g                 da_i = di ⊙ σ_i'
/// df = dc ⊙ c_{t-1}           da_f = df ⊙ σ_f'          [f = 1 - i:  di -= df, da_f = 0]
/// dg = dc ⊙ i                 da_g = dg ⊙ g'
/// dc_{t-1} = dc ⊙ f + P_iᵀ da_i + P_fᵀ da_f + P_gᵀ da_g   [o reads c_{t-1}:  + P_oᵀ da_o]
///
/// All (n, H) but gates, da (n, 4H). dc holds the carry from t+1, replaced by dc_{t-1}.
template <class T, class G, class C, class S, class DH, class DC, class DA>
void gate_gradients(const LayerBackward<T>& layer, const G& gates, const C& c, const S& previous_c,
                    const DH& dh, DC&& dc, DA&& da) {
  const LayerSpec& spec = layer.spec;
  const auto i = of_gate(gates, Gate::input).array();
  const auto f = of_gate(gates, Gate::forget).array();
  const auto g = of_gate(gates, Gate::cell).array();
  const auto o = of_gate(gates, Gate::output).array();
  auto da_i = of_gate(da, Gate::input);
  auto da_f = of_gate(da, Gate::forget);
  auto da_g = of_gate(da, Gate::cell);
  auto da_o = of_gate(da, Gate::output);

  Matrix<T> h_of_c = c;
  activate_all(spec.activations.c, h_of_c);
  da_o.array() = dh.array() * h_of_c.array() * derivatives(spec.activations.o, o);
  dc.array() += dh.array() * o * derivatives(spec.activations.c, h_of_c.array());
  if (spec.output_reads_current()) peephole_gradient(layer, Gate::output, da_o, c, dc);

  da_i.array() = dc.array() * g;
  if (spec.coupled_input_forget) {
    da_i.array() -= dc.array() * previous_c.array();
    da_f.setZero();
  } else {
    da_f.array() = dc.array() * previous_c.array() * derivatives(spec.activations.f, f);
  }
  da_i.array() *= derivatives(spec.activations.i, i);
  da_g.array() = dc.array() * i * derivatives(spec.activations.g, g);

  dc.array() *= f;
  for (Gate gate : {Gate::input, Gate::forget, Gate::cell, Gate::output}) {
    if (gate == Gate::output && spec.output_reads_current()) continue;
    if (spec.has_peephole(gate)) {
      peephole_gradient(layer, gate, of_gate(da, gate), previous_c, dc);
    }
  }
}

/// dh_{t-1} = Σ_k R_kᵀ da_k        dx_t = Σ_k W_kᵀ da_k
/// dW_k = Σ_t da_k x_tᵀ   dR_k = Σ_t da_k h_{t-1}ᵀ   db_k = Σ_t da_k
template <class T, class DA, class S, class DH>
void linear_gradients(const LayerBackward<T>& layer, Index t, const DA& da, const S& previous_h,
                      DH&& dh) {
  const Index I = layer.spec.input_size, H = layer.spec.hidden_size;
  const Index P = layer.spec.recurrent_size();
  const Index n = layer.schedule.rows(t), at = layer.schedule.offset(t);
  multiply(Product::set, operand(da), matrix(layer.weights.weight_hh, kGates * H, P), result(dh));
  if (layer.dx.data) {
    multiply(Product::set, operand(da), matrix(layer.weights.weight_ih, kGates * H, I),
             matrix(layer.dx, at, n, I));
  }
  auto dW = matrix(layer.dweights.weight_ih, kGates * H, I);
  auto dR = matrix(layer.dweights.weight_hh, kGates * H, P);
  multiply_transposed(Product::add, operand(da), matrix(layer.x, at, n, I), dW);
  multiply_transposed(Product::add, operand(da), operand(previous_h), dR);
  if (layer.dweights.bias) row_vector(layer.dweights.bias, kGates * H) += da.colwise().sum();
}

/// dh is 0 where h was clipped;  dm = W_hrᵀ dh;  dW_hr += dh mᵀ          m = h(c_t) ⊙ o
///
/// dh (n, P), gates (n, 4H), c, m and dm (n, H); m and dm are overwritten.
template <class T, class G, class C, class DH, class M, class DM>
void projection_gradient(const LayerBackward<T>& layer, Index t, const G& gates, const C& c,
                         DH&& dh, M&& m, DM&& dm) {
  const LayerSpec& spec = layer.spec;
  const Index H = spec.hidden_size, P = *spec.projection_size, n = dh.rows();
  if (spec.projection_clip) {
    const auto clip = static_cast<T>(*spec.projection_clip);
    const auto unclipped = matrix(layer.unclipped + layer.schedule.offset(t) * P, n, P);
    dh = (unclipped.array().abs() > clip).select(T{0}, dh);
  }
  m = c;
  activate_all(spec.activations.c, m);
  m.array() *= of_gate(gates, Gate::output).array();
  multiply(Product::set, operand(dh), matrix(layer.weights.weight_hr, P, H), result(dm));
  multiply_transposed(Product::add, operand(dh), operand(m),
                      matrix(layer.dweights.weight_hr, P, H));
}

/// c = f ⊙ c_{t-1} + g ⊙ i: what zoneout may have replaced by c_{t-1}.
template <class G, class S, class C>
void update_again(const G& gates, const S& previous_c, C&& c) {
  c.array() = of_gate(gates, Gate::forget).array() * previous_c.array() +
              of_gate(gates, Gate::cell).array() * of_gate(gates, Gate::input).array();
}

/// kept = z ⊙ d: the share of d that went to the step before; the rest stays in d.
template <class Z, class D, class K>
void divide(const Z& zoned, D&& d, K&& kept) {
  kept = zoned * d.array();
  d.array() -= kept.array();
}

}  // namespace

template <class T>
void backward(const LayerBackward<T>& layer, const LayerNoise& noise, Scratch<T>& scratch) {
  const Schedule& schedule = layer.schedule;
  const Index H = layer.spec.hidden_size, B = schedule.batch();
  const Index P = layer.spec.recurrent_size();
  T* const da_rows = scratch.gates.reserve(B * kGates * H);
  T* const previous_h_rows = scratch.previous_h.reserve(B * P);
  T* const previous_c_rows = scratch.previous_c.reserve(B * H);
  T* const updated_c_rows = scratch.updated_c.reserve(B * H);
  T* const kept_dh_rows = scratch.kept_dh.reserve(B * P);
  T* const kept_dc_rows = scratch.kept_dc.reserve(B * H);
  T* const m_rows = scratch.m.reserve(layer.spec.projection_size ? B * H : 0);
  T* const dm_rows = scratch.dm.reserve(layer.spec.projection_size ? B * H : 0);
  NoiseDraws<T> draws(noise, schedule, layer.direction, layer.spec, scratch);
  if (!layer.accumulate) set_zero(layer.spec, layer.dweights);

  Interruption interruption;
  for (Index s = 0; s < schedule.steps() && !interruption.poll(); ++s) {
    const Index t = layer.direction == Direction::forward ? schedule.steps() - 1 - s : s;
    const Index n = schedule.rows(t), at = schedule.offset(t);
    previous_state(layer, t, P, layer.h, layer.initial_h, previous_h_rows);
    previous_state(layer, t, H, Rows<const T>{layer.c, H}, layer.initial_c, previous_c_rows);
    auto dh = matrix(layer.dstate_h, n, P);
    auto dc = matrix(layer.dstate_c, n, H);
    auto da = matrix(da_rows, n, kGates * H);
    auto previous_h = matrix(previous_h_rows, n, P);
    const auto previous_c = matrix(static_cast<const T*>(previous_c_rows), n, H);
    const auto gates = matrix(layer.gates + at * kGates * H, n, kGates * H);
    auto kept_dh = matrix(kept_dh_rows, n, P);
    auto kept_dc = matrix(kept_dc_rows, n, H);

    dh += matrix(layer.dh, at, n, P);
    if (draws.zones()) {
      draws.draw_zoneout(t);
      divide(draws.zoned_h(n), dh, kept_dh);
      divide(draws.zoned_c(n), dc, kept_dc);
      update_again(gates, previous_c, matrix(updated_c_rows, n, H));
    }
    const T* const c_rows = draws.zones() ? updated_c_rows : layer.c + at * H;
    const auto c = matrix(c_rows, n, H);
    if (layer.spec.projection_size) {
      auto dm = matrix(dm_rows, n, H);
      projection_gradient(layer, t, gates, c, dh, matrix(m_rows, n, H), dm);
      gate_gradients(layer, gates, c, previous_c, dm, dc, da);
    } else {
      gate_gradients(layer, gates, c, previous_c, dh, dc, da);
    }
    if (draws.drops()) previous_h.array() *= draws.recurrent(n);
    linear_gradients(layer, t, da, previous_h, dh);
    if (draws.drops()) dh.array() *= draws.recurrent(n);
    if (draws.zones()) {
      dh += kept_dh;
      dc += kept_dc;
    }
  }
}

template void backward(const LayerBackward<float>&, const LayerNoise&, Scratch<float>&);
template void backward(const LayerBackward<double>&, const LayerNoise&, Scratch<double>&);

}  // namespace peephole::reference
