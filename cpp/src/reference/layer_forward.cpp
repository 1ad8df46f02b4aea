#include "reference/activations.hpp"
#include "reference/eigen.hpp"
#include "reference/layer.hpp"
#include "reference/layer_noise.hpp"
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

/// a_k,t = W_k x_t + R_k h_{t-1} + P_k c_{t-1} + b_k          k = i, f, g, o
///
/// but for P_o where o reads c_t. a is (n, 4H).
template <class T, class X, class S, class A>
void preactivations(const LayerForward<T>& layer, const X& x, const S& h, const S& c, A&& a) {
  const Index I = layer.spec.input_size, H = layer.spec.hidden_size;
  const Index P = layer.spec.recurrent_size();
  multiply_by_transposed(Product::set, operand(x), matrix(layer.weights.weight_ih, kGates * H, I),
                         result(a));
  multiply_by_transposed(Product::add, operand(h), matrix(layer.weights.weight_hh, kGates * H, P),
                         result(a));
  if (layer.weights.bias) a.rowwise() += row_vector(layer.weights.bias, kGates * H);
  for (Gate gate : {Gate::input, Gate::forget, Gate::cell, Gate::output}) {
    if (gate == Gate::output && layer.spec.output_reads_current()) continue;
    if (layer.spec.has_peephole(gate)) add_peephole(layer, gate, c, of_gate(a, gate));
  }
}

/// i = σ_i(a_i)   f = σ_f(a_f)   g = g(a_g)   o = σ_o(a_o)
/// c_t = f ⊙ c_{t-1} + g ⊙ i
/// h_t = h(c_t) ⊙ o
///
/// gates (n, 4H) holds the a_k, replaced by i, f, g, o; previous_c, c and h are (n, H). With a
/// projection, h is what it reads.
template <class T, class A, class S, class C, class H>
void update(const LayerForward<T>& layer, A&& gates, const S& previous_c, C&& c, H&& h) {
  const Activations& activations = layer.spec.activations;
  auto i = of_gate(gates, Gate::input);
  auto f = of_gate(gates, Gate::forget);
  auto g = of_gate(gates, Gate::cell);
  auto o = of_gate(gates, Gate::output);
  activate_all(activations.i, i);
  if (layer.spec.coupled_input_forget) {
    f.array() = 1 - i.array();
  } else {
    activate_all(activations.f, f);
  }
  activate_all(activations.g, g);
  c.array() = f.array() * previous_c.array() + g.array() * i.array();
  if (layer.spec.output_reads_current()) add_peephole(layer, Gate::output, c, o);
  activate_all(activations.o, o);
  h = c;
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
    preactivations(layer, matrix(layer.x, schedule, t, I), given_h, state_c, gates);
    if (m_rows) {
      auto m = matrix(m_rows, n, H);
      update(layer, gates, state_c, c, m);
      project(layer, t, m, h);
    } else {
      update(layer, gates, state_c, c, h);
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

}  // namespace peephole::reference
