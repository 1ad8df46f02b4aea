#include <algorithm>

#include "reference/activations.hpp"
#include "reference/clip.hpp"
#include "reference/eigen.hpp"
#include "reference/layer.hpp"
#include "reference/layer_noise.hpp"
#include "reference/layer_norm.hpp"
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

/// da_k, the gradient of γ_k ⊙ LN(z_k) + b_k, replaced by that of z_k. Adds to those of γ and b.
template <class T, class DA>
void gate_norm_gradient(const LayerBackward<T>& layer, Gate gate, const NormRows<const T>& rows,
                        DA&& da) {
  const Index H = layer.spec.hidden_size, first = index(gate) * H;
  auto da_k = of_gate(da, gate);
  const auto normalised = rows.group(index(gate), da.rows());
  row_vector(layer.dweights.gain + first, H).array() +=
      (da_k.array() * normalised.array()).colwise().sum();
  if (layer.dweights.bias) row_vector(layer.dweights.bias + first, H) += da_k.colwise().sum();
  da_k.array().rowwise() *= row_vector(layer.weights.gain + first, H).array();
  normalise_gradient(normalised, rows.scales_of(index(gate)), da_k);
}

/// da, the gradient of γ_x ⊙ LN(W x) + γ_h ⊙ LN(R h) + b, replaced by that of W x; da_h = that of
/// R h. Adds to those of γ_x, γ_h and b.
template <class T, class DA>
void product_norm_gradient(const LayerBackward<T>& layer, const NormRows<const T>& rows, DA&& da,
                           MatrixMap<T> da_h) {
  const Index n = da.rows(), size = da.cols();
  const LayerWeights<T>& dweights = layer.dweights;
  if (dweights.bias) row_vector(dweights.bias, size) += da.colwise().sum();
  da_h = da;
  const auto one = [&](Index group, const T* gain, T* dgain, MatrixMap<T> d) {
    const auto normalised = rows.group(group, n);
    row_vector(dgain, size).array() += (d.array() * normalised.array()).colwise().sum();
    d.array().rowwise() *= row_vector(gain, size).array();
    normalise_gradient(normalised, rows.scales_of(group), d);
  };
  one(0, layer.weights.gain_ih, dweights.gain_ih, result(da));
  one(1, layer.weights.gain_hh, dweights.gain_hh, da_h);
}

/// do = dh ⊙ h(c_t)            da_o = do ⊙ σ_o'(a_o)
/// dc += dh ⊙ o ⊙ h'(c_t)      [o reads c_t:  dc += P_oᵀ da_o]
/// di = dc ⊙ g                 da_i = di ⊙ σ_i'
/// df = dc ⊙ c_{t-1}           da_f = df ⊙ σ_f'          [f = 1 - i:  di -= df, da_f = 0]
/// dg = dc ⊙ i                 da_g = dg ⊙ g'
/// dc_{t-1} = dc ⊙ f + P_iᵀ da_i + P_fᵀ da_f + P_gᵀ da_g   [o reads c_{t-1}:  + P_oᵀ da_o]
///
/// With LayerNorm::gates, da becomes the gradient of what was normalised before the peepholes read
/// it. Where c_t was clipped, dc is 0 before it goes on to the gates; where a_k was, da_k is 0.
///
/// All (n, H) but gates, da (n, 4H). dc holds the carry from t+1, replaced by dc_{t-1}. clipped:
/// see LayerForward.
template <class T, class G, class C, class S, class DH, class DC, class DA>
void gate_gradients(const LayerBackward<T>& layer, const NormRows<const T>& rows,
                    Scratch<T>& scratch, const G& gates, const C& c, const S& previous_c,
                    const DH& dh, const T* clipped, DC&& dc, DA&& da) {
  const LayerSpec& spec = layer.spec;
  const auto i = of_gate(gates, Gate::input).array();
  const auto f = of_gate(gates, Gate::forget).array();
  const auto g = of_gate(gates, Gate::cell).array();
  const auto o = of_gate(gates, Gate::output).array();
  auto da_i = of_gate(da, Gate::input);
  auto da_f = of_gate(da, Gate::forget);
  auto da_g = of_gate(da, Gate::cell);
  auto da_o = of_gate(da, Gate::output);

  const auto drop = [&](Gate gate, auto& da_k) {
    if (clipped != nullptr) drop_clipped(gate, matrix(clipped, da_k.rows(), da_k.cols()), da_k);
  };
  const Index n = c.rows(), H = c.cols();
  auto normalised_c = matrix(scratch.normalised_c.reserve(n * H), n, H);
  T* const scales_c = scratch.scales_c.reserve(n);
  const auto norm_gradient = [&](MatrixMap<T> d) {
    normalise_state_gradient(spec, layer.weights, layer.dweights, operand(normalised_c), scales_c,
                             d);
  };
  Matrix<T> h_of_c = c;
  if (spec.layer_norm_cell == LayerNormCell::output) {
    normalise_state(spec, layer.weights, result(h_of_c), normalised_c, scales_c);
  }
  activate_all(spec.activations.c, h_of_c);
  da_o.array() = dh.array() * h_of_c.array() * derivatives(spec.activations.o, o);
  drop(Gate::output, da_o);
  auto read = matrix(scratch.dh_part.reserve(n * H), n, H);
  read.array() = dh.array() * o * derivatives(spec.activations.c, h_of_c.array());
  if (spec.layer_norm_cell == LayerNormCell::output) norm_gradient(read);
  dc += read;
  const bool normalises = spec.layer_norm == LayerNorm::gates;
  if (spec.output_reads_current()) {
    if (normalises) gate_norm_gradient(layer, Gate::output, rows, da);
    peephole_gradient(layer, Gate::output, da_o, c, dc);
  }
  const bool normalises_c = spec.layer_norm_cell == LayerNormCell::state;
  if (normalises_c || spec.clips_cell()) {
    auto updated = read;
    updated.array() = f * previous_c.array() + g * i;
    if (normalises_c) normalise_state(spec, layer.weights, updated, normalised_c, scales_c);
    clip_gradient(spec.cell_clip, updated, dc);
    if (normalises_c) norm_gradient(result(dc));
  }

  da_i.array() = dc.array() * g;
  if (spec.coupled_input_forget) {
    da_i.array() -= dc.array() * previous_c.array();
    da_f.setZero();
  } else {
    da_f.array() = dc.array() * previous_c.array() * derivatives(spec.activations.f, f);
  }
  da_i.array() *= derivatives(spec.activations.i, i);
  da_g.array() = dc.array() * i * derivatives(spec.activations.g, g);
  drop(Gate::input, da_i);
  drop(Gate::forget, da_f);
  drop(Gate::cell, da_g);

  dc.array() *= f;
  for (Gate gate : {Gate::input, Gate::forget, Gate::cell, Gate::output}) {
    if (gate == Gate::output && spec.output_reads_current()) continue;
    if (normalises) gate_norm_gradient(layer, gate, rows, da);
    if (spec.has_peephole(gate)) {
      peephole_gradient(layer, gate, of_gate(da, gate), previous_c, dc);
    }
  }
}

/// dh_{t-1} = Σ_k R_kᵀ da_k        dx_t = Σ_k W_kᵀ da_k
/// dW_k = Σ_t da_k x_tᵀ   dR_k = Σ_t da_k h_{t-1}ᵀ   db_k = Σ_t da_k
///
/// da_h: the gradients of R h, where they are not da. With layer normalisation that of b is known.
template <class T, class DA, class DAH, class S, class DH>
void linear_gradients(const LayerBackward<T>& layer, Index t, const DA& da, const DAH& da_h,
                      const S& previous_h, DH&& dh) {
  const Index I = layer.spec.input_size, H = layer.spec.hidden_size;
  const Index P = layer.spec.recurrent_size();
  const Index n = layer.schedule.rows(t), at = layer.schedule.offset(t);
  multiply(Product::set, operand(da_h), matrix(layer.weights.weight_hh, kGates * H, P), result(dh));
  if (layer.dx.data) {
    multiply(Product::set, operand(da), matrix(layer.weights.weight_ih, kGates * H, I),
             matrix(layer.dx, at, n, I));
  }
  auto dW = matrix(layer.dweights.weight_ih, kGates * H, I);
  auto dR = matrix(layer.dweights.weight_hh, kGates * H, P);
  multiply_transposed(Product::add, operand(da), matrix(layer.x, at, n, I), dW);
  multiply_transposed(Product::add, operand(da_h), operand(previous_h), dR);
  if (layer.dweights.bias && !layer.spec.layer_norm)
    row_vector(layer.dweights.bias, kGates * H) += da.colwise().sum();
}

/// dh is 0 where h was clipped;  dm = W_hrᵀ dh;  dW_hr += dh mᵀ          m = h(c_t) ⊙ o
///
/// dh (n, P), gates (n, 4H), c, m and dm (n, H); m and dm are overwritten.
template <class T, class G, class C, class DH>
void projection_gradient(const LayerBackward<T>& layer, Scratch<T>& scratch, Index t,
                         const G& gates, const C& c, DH&& dh, MatrixMap<T> m, MatrixMap<T> dm) {
  const LayerSpec& spec = layer.spec;
  const Index H = spec.hidden_size, P = *spec.projection_size, n = dh.rows();
  if (spec.projection_clip) {
    const auto clip = static_cast<T>(*spec.projection_clip);
    const auto unclipped = matrix(layer.unclipped + layer.schedule.offset(t) * P, n, P);
    dh = (unclipped.array().abs() > clip).select(T{0}, dh);
  }
  m = c;
  if (spec.layer_norm_cell == LayerNormCell::output) {
    normalise_state(spec, layer.weights, m, matrix(scratch.normalised_c.reserve(n * H), n, H),
                    scratch.scales_c.reserve(n));
  }
  activate_all(spec.activations.c, m);
  m.array() *= of_gate(gates, Gate::output).array();
  multiply(Product::set, operand(dh), matrix(layer.weights.weight_hr, P, H), dm);
  multiply_transposed(Product::add, operand(dh), operand(m),
                      matrix(layer.dweights.weight_hr, P, H));
}

/// c = f ⊙ c_{t-1} + g ⊙ i, normalised and clipped where c_t is: what zoneout may have replaced by
/// c_{t-1}.
template <class T, class G, class S>
void update_again(const LayerBackward<T>& layer, Scratch<T>& scratch, const G& gates,
                  const S& previous_c, MatrixMap<T> c) {
  c.array() = of_gate(gates, Gate::forget).array() * previous_c.array() +
              of_gate(gates, Gate::cell).array() * of_gate(gates, Gate::input).array();
  if (layer.spec.layer_norm_cell == LayerNormCell::state) {
    const Index n = c.rows(), H = c.cols();
    normalise_state(layer.spec, layer.weights, c, matrix(scratch.normalised_c.reserve(n * H), n, H),
                    scratch.scales_c.reserve(n));
  }
  clip_all(layer.spec.cell_clip, c);
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
  const bool by_products = layer.spec.layer_norm == LayerNorm::products;
  T* const da_h_rows = scratch.da_h.reserve(by_products ? B * kGates * H : 0);
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
      update_again(layer, scratch, gates, previous_c, matrix(updated_c_rows, n, H));
    }
    const T* const c_rows = draws.zones() ? updated_c_rows : layer.c + at * H;
    const auto c = matrix(c_rows, n, H);
    const NormRows<const T> norm_rows(layer.spec, layer.norm, at);
    const T* const clipped = layer.clipped ? layer.clipped + at * H : nullptr;
    if (layer.spec.projection_size) {
      auto dm = matrix(dm_rows, n, H);
      projection_gradient(layer, scratch, t, gates, c, dh, matrix(m_rows, n, H), dm);
      gate_gradients(layer, norm_rows, scratch, gates, c, previous_c, dm, clipped, dc, da);
    } else {
      gate_gradients(layer, norm_rows, scratch, gates, c, previous_c, dh, clipped, dc, da);
    }
    if (draws.drops()) previous_h.array() *= draws.recurrent(n);
    if (by_products) product_norm_gradient(layer, norm_rows, da, matrix(da_h_rows, n, kGates * H));
    const auto da_h = matrix(by_products ? da_h_rows : da_rows, n, kGates * H);
    linear_gradients(layer, t, da, da_h, previous_h, dh);
    if (draws.drops()) dh.array() *= draws.recurrent(n);
    if (draws.zones()) {
      dh += kept_dh;
      dc += kept_dc;
    }
  }
}

template void backward(const LayerBackward<float>&, const LayerNoise&, Scratch<float>&);
template void backward(const LayerBackward<double>&, const LayerNoise&, Scratch<double>&);
template void backward(const LayerBackward<Dual>&, const LayerNoise&, Scratch<Dual>&);

}  // namespace peephole::reference
