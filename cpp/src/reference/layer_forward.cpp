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

/// a_k += P_k c for (n, H) matrices a_k and c.
template <class T, class A, class C>
void add_peephole(const LayerForward<T>& layer, Gate gate, const C& c, A&& a) {
  const Index H = layer.spec.hidden_size;
  if (layer.spec.peephole == Peephole::diagonal) {
    const auto P = row_vector(layer.weights.weight_ch + index(gate) * H, H);
    a.array() += c.array().rowwise() * P.array();
  } else {
    const auto P = matrix(layer.weights.weight_ch + index(gate) * H * H, H, H);
    multiply_by_transposed(Product::add, operand(c), P, result(a));
  }
}

/// a_k += P_k c for the gates that read c_{t-1}.
template <class T, class A, class C>
void add_peepholes(const LayerForward<T>& layer, const C& c, A&& a) {
  for (Gate gate : {Gate::input, Gate::forget, Gate::cell, Gate::output}) {
    if (gate == Gate::output && layer.spec.output_reads_current()) continue;
    if (layer.spec.has_peephole(gate)) add_peephole(layer, gate, c, of_gate(a, gate));
  }
}

/// a_k = γ_k ⊙ LN(a_k) + b_k for one gate.
template <class T, class A>
void normalise_gate(const LayerForward<T>& layer, Gate gate, const NormRows<T>& rows, A&& a) {
  const Index H = layer.spec.hidden_size, first = index(gate) * H;
  auto normalised = rows.group(index(gate), a.rows());
  auto a_k = of_gate(a, gate);
  normalised = a_k;
  normalise(layer.spec.layer_norm_epsilon, normalised, rows.scales_of(index(gate)));
  a_k.array() = normalised.array().rowwise() * row_vector(layer.weights.gain + first, H).array();
  if (layer.weights.bias) a_k.rowwise() += row_vector(layer.weights.bias + first, H);
}

/// a = γ_x ⊙ LN(W x) + γ_h ⊙ LN(R h) + b
template <class T, class X, class S, class A>
void normalised_products(const LayerForward<T>& layer, const X& x, const S& h,
                         const NormRows<T>& rows, A&& a) {
  const Index I = layer.spec.input_size, size = kGates * layer.spec.hidden_size;
  const Index P = layer.spec.recurrent_size();
  auto of_x = rows.group(0, a.rows()), of_h = rows.group(1, a.rows());
  multiply_by_transposed(Product::set, operand(x), matrix(layer.weights.weight_ih, size, I), of_x);
  multiply_by_transposed(Product::set, operand(h), matrix(layer.weights.weight_hh, size, P), of_h);
  normalise(layer.spec.layer_norm_epsilon, of_x, rows.scales_of(0));
  normalise(layer.spec.layer_norm_epsilon, of_h, rows.scales_of(1));
  a.array() = of_x.array().rowwise() * row_vector(layer.weights.gain_ih, size).array() +
              of_h.array().rowwise() * row_vector(layer.weights.gain_hh, size).array();
  if (layer.weights.bias) a.rowwise() += row_vector(layer.weights.bias, size);
}

/// a_k,t = W_k x_t + R_k h_{t-1} + P_k c_{t-1} + b_k          k = i, f, g, o
///
/// but for P_o where o reads c_t; or with layer normalisation, see LayerNorm. a is (n, 4H).
template <class T, class X, class S, class A>
void preactivations(const LayerForward<T>& layer, const X& x, const S& h, const S& c,
                    const NormRows<T>& rows, A&& a) {
  const Index I = layer.spec.input_size, H = layer.spec.hidden_size;
  const Index P = layer.spec.recurrent_size();
  if (layer.spec.layer_norm == LayerNorm::products) {
    normalised_products(layer, x, h, rows, a);
    return add_peepholes(layer, c, a);
  }
  multiply_by_transposed(Product::set, operand(x), matrix(layer.weights.weight_ih, kGates * H, I),
                         result(a));
  multiply_by_transposed(Product::add, operand(h), matrix(layer.weights.weight_hh, kGates * H, P),
                         result(a));
  const bool normalises = layer.spec.layer_norm == LayerNorm::gates;
  if (!normalises && layer.weights.bias) {
    a.rowwise() += row_vector(layer.weights.bias, kGates * H);
  }
  add_peepholes(layer, c, a);
  if (!normalises) return;
  for (Gate gate : {Gate::input, Gate::forget, Gate::cell, Gate::output}) {
    if (gate == Gate::output && layer.spec.output_reads_current()) continue;
    normalise_gate(layer, gate, rows, a);
  }
}

/// i = σ_i(a_i)   f = σ_f(a_f)   g = g(a_g)   o = σ_o(a_o)
/// c_t = f ⊙ c_{t-1} + g ⊙ i
/// h_t = h(c_t) ⊙ o
///
/// or with layer normalisation, see LayerNormCell. Each a_k and c_t are clipped to their bounds, if
/// they have some, after they are normalised.
///
/// gates (n, 4H) holds the a_k, replaced by i, f, g, o; previous_c, c and h are (n, H), and
/// clipped, where it is kept. With a projection, h is what it reads.
template <class T, class A, class S, class C, class H>
void update(const LayerForward<T>& layer, const NormRows<T>& rows, Scratch<T>& scratch, A&& gates,
            const S& previous_c, C&& c, H&& h, T* clipped) {
  const Activations& activations = layer.spec.activations;
  auto i = of_gate(gates, Gate::input);
  auto f = of_gate(gates, Gate::forget);
  auto g = of_gate(gates, Gate::cell);
  auto o = of_gate(gates, Gate::output);
  const auto clip_gate = [&](Gate gate, auto& a) {
    const double bound = layer.spec.preactivation_clip;
    if (clipped != nullptr) note_clipped(bound, gate, a, matrix(clipped, a.rows(), a.cols()));
    clip_all(bound, a);
  };
  if (clipped != nullptr) matrix(clipped, i.rows(), i.cols()).setZero();
  clip_gate(Gate::input, i);
  activate_all(activations.i, i);
  if (layer.spec.coupled_input_forget) {
    f.array() = 1 - i.array();
  } else {
    clip_gate(Gate::forget, f);
    activate_all(activations.f, f);
  }
  clip_gate(Gate::cell, g);
  activate_all(activations.g, g);
  c.array() = f.array() * previous_c.array() + g.array() * i.array();
  const auto normalise_in = [&](MatrixMap<T> values) {
    const Index n = values.rows(), size = values.cols();
    normalise_state(layer.spec, layer.weights, values,
                    matrix(scratch.normalised_c.reserve(n * size), n, size),
                    scratch.scales_c.reserve(n));
  };
  if (layer.spec.layer_norm_cell == LayerNormCell::state) normalise_in(result(c));
  clip_all(layer.spec.cell_clip, c);
  if (layer.spec.output_reads_current()) {
    add_peephole(layer, Gate::output, c, o);
    if (layer.spec.layer_norm == LayerNorm::gates) {
      normalise_gate(layer, Gate::output, rows, gates);
    }
  }
  clip_gate(Gate::output, o);
  activate_all(activations.o, o);
  h = c;
  if (layer.spec.layer_norm_cell == LayerNormCell::output) normalise_in(result(h));
  activate_all(activations.c, h);
  h.array() *= o.array();
}

/// h_t = clip(W_hr m_t)          m_t = h(c_t) ⊙ o
///
/// (LSTMP: H. Sak, A. Senior, F. Beaufays, "Long short-term memory based recurrent neural network
/// architectures for large vocabulary speech recognition", 2014, arXiv:1402.1128). m is (n, H), h
/// (n, P).
template <class T, class M, class H>
void project(const LayerForward<T>& layer, Index t, const M& m, H&& h) {
  const LayerSpec& spec = layer.spec;
  const Index P = *spec.projection_size;
  multiply_by_transposed(Product::set, operand(m),
                         matrix(layer.weights.weight_hr, P, spec.hidden_size), result(h));
  if (!spec.projection_clip) return;
  if (layer.unclipped) {
    matrix(layer.unclipped + layer.schedule.offset(t) * P, h.rows(), P) = h;
  }
  const auto clip = static_cast<T>(*spec.projection_clip);
  h = h.unaryExpr([clip](T a) { return a > clip ? clip : a < -clip ? -clip : a; });  // NaN stays
}

}  // namespace

template <class T>
void forward(const LayerForward<T>& layer, const LayerNoise& noise, Scratch<T>& scratch) {
  const Schedule& schedule = layer.schedule;
  const Index I = layer.spec.input_size, H = layer.spec.hidden_size, B = schedule.batch();
  const Index P = layer.spec.recurrent_size();
  T* const gates_scratch = layer.gates ? nullptr : scratch.gates.reserve(B * kGates * H);
  T* const c_scratch = layer.c ? nullptr : scratch.c.reserve(B * H);
  NoiseDraws<T> draws(noise, schedule, layer.direction, layer.spec, scratch);
  T* const given_h_rows = draws.drops() ? scratch.dropped_h.reserve(B * P) : layer.state_h;
  T* const m_rows = layer.spec.projection_size ? scratch.m.reserve(B * H) : nullptr;
  const LayerSpec& spec = layer.spec;
  NormTape<T> norm_scratch;
  if (spec.layer_norm && layer.norm.normalised == nullptr) {
    norm_scratch = {scratch.normalised.reserve(B * spec.normalised_size()),
                    scratch.scales.reserve(B * spec.normalised_groups())};
  }

  Interruption interruption;
  for (Index s = 0; s < schedule.steps() && !interruption.poll(); ++s) {
    const Index t = layer.direction == Direction::forward ? s : schedule.steps() - 1 - s;
    const Index n = schedule.rows(t), at = schedule.offset(t);
    auto state_h = matrix(layer.state_h, n, P);
    auto state_c = matrix(layer.state_c, n, H);
    auto gates = matrix(layer.gates ? layer.gates + at * kGates * H : gates_scratch, n, kGates * H);
    auto c = matrix(layer.c ? layer.c + at * H : c_scratch, n, H);
    auto h = matrix(layer.h, schedule, t, P);

    auto given_h = matrix(given_h_rows, n, P);
    if (draws.drops()) given_h = state_h.array() * draws.recurrent(n);
    const bool keeps = norm_scratch.normalised == nullptr;
    const NormRows<T> norm_rows(spec, keeps ? layer.norm : norm_scratch, keeps ? at : 0);
    preactivations(layer, matrix(layer.x, schedule, t, I), given_h, state_c, norm_rows, gates);
    T* const clipped = layer.clipped ? layer.clipped + at * H : nullptr;
    if (m_rows) {
      auto m = matrix(m_rows, n, H);
      update(layer, norm_rows, scratch, gates, state_c, c, m, clipped);
      project(layer, t, m, h);
    } else {
      update(layer, norm_rows, scratch, gates, state_c, c, h, clipped);
    }
    if (draws.zones() && noise.expected) {
      const auto z = static_cast<T>(noise.zoneout);
      c = z * state_c + (1 - z) * c;
      h = z * state_h + (1 - z) * h;
    } else if (draws.zones()) {
      draws.draw_zoneout(t);
      c = (draws.zoned_c(n) != 0).select(state_c, c);
      h = (draws.zoned_h(n) != 0).select(state_h, h);
    }
    state_h = h;
    state_c = c;
  }
}

template void forward(const LayerForward<float>&, const LayerNoise&, Scratch<float>&);
template void forward(const LayerForward<double>&, const LayerNoise&, Scratch<double>&);
template void forward(const LayerForward<Dual>&, const LayerNoise&, Scratch<Dual>&);

}  // namespace peephole::reference
