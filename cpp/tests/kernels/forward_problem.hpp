#pragma once

#include <cstring>

#include "kernels/random_layer.hpp"

/// Problems at random for the forward kernels, and their answers by the equations in double.
namespace peephole {

inline LayerSpec random_layer(Random& random) {
  const Index I = pick(random, 1, 3) == 1 ? 1 : pick(random, 1, 40);
  const Index H = pick(random, 1, 3) == 1 ? pick(random, 1, 8) : pick(random, 1, 90);
  return random_spec(random, I, H);
}

/// A layer and a ragged batch, sequence by sequence.
template <class T>
struct Problem : LayerValues<T> {
  LayerSpec spec;
  Direction direction;
  bool training;
  std::vector<Index> lengths;     // (B,)
  std::vector<std::vector<T>> x;  // (B, length, I)
  std::vector<T> h, c;            // (B, P), (B, H): initial

  Index batch() const { return static_cast<Index>(lengths.size()); }
};

template <class T>
Problem<T> random_problem(Random& random, LayerSpec spec, Index batch, Index time) {
  const Index I = spec.input_size, H = spec.hidden_size;
  Problem<T> p;
  p.spec = spec;
  p.direction = static_cast<Direction>(pick(random, 0, 1));
  p.training = pick(random, 0, 1) == 0;
  p.randomise(random, spec);
  const bool ragged = pick(random, 0, 1) == 0;
  for (Index b = 0; b < batch; ++b) {
    p.lengths.push_back(ragged ? pick(random, 0, time) : time);
    p.x.push_back(uniform<T>(random, p.lengths.back() * I, -1, 1));
  }
  p.h = uniform<T>(random, batch * spec.recurrent_size(), -1, 1);
  p.c = uniform<T>(random, batch * H, -1, 1);
  return p;
}

/// What a sequence gives: h (length, P), gates (length, 4H), c (length, H), clipped (length, H),
/// see LayerForward, h before it is clipped (length, P), and the final state.
template <class T>
struct Result {
  std::vector<T> h, gates, c, clipped, unclipped, final_h, final_c;

  bool operator==(const Result& other) const {
    return same(h, other.h) && same(gates, other.gates) && same(c, other.c) &&
           same(clipped, other.clipped) && same(unclipped, other.unclipped) &&
           same(final_h, other.final_h) && same(final_c, other.final_c);
  }
  static bool same(const std::vector<T>& a, const std::vector<T>& b) {
    return a.size() == b.size() &&
           (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
  }
};

/// What the equations have for `clipped` of a unit, one of whose sums is so close to the bound that
/// rounding decides.
inline constexpr double kUndecided = -1;
inline constexpr double kCloseToBound = 1e-3;

inline double clip(double a, double bound) { return std::fmin(std::fmax(a, -bound), bound); }

/// clip(W_hr m), and the values before they are clipped.
template <class T>
std::pair<std::vector<double>, std::vector<double>> project(const Problem<T>& p,
                                                            const std::vector<double>& m) {
  if (!p.spec.projection_size) return {m, m};
  const Index H = p.spec.hidden_size;
  std::vector<double> h(*p.spec.projection_size);
  for (std::size_t k = 0; k < h.size(); ++k) {
    for (Index u = 0; u < H; ++u) h[k] += static_cast<double>(p.weight_hr[k * H + u]) * m[u];
  }
  std::vector<double> clipped = h;
  for (double& value : clipped) value = clip(value, p.spec.projection_clip.value_or(INFINITY));
  return {clipped, h};
}

template <class T>
std::vector<Result<T>> equations(const Problem<T>& p) {
  const Index I = p.spec.input_size, H = p.spec.hidden_size, P = p.spec.recurrent_size();
  const Activations& f = p.spec.activations;
  std::vector<Result<T>> results;
  for (Index b = 0; b < p.batch(); ++b) {
    std::vector<double> h(p.h.begin() + b * P, p.h.begin() + (b + 1) * P);
    std::vector<double> c(p.c.begin() + b * H, p.c.begin() + (b + 1) * H);
    Result<T> y;
    const std::size_t length = static_cast<std::size_t>(p.lengths[b]);
    y.h.resize(length * P), y.unclipped.resize(length * P), y.c.resize(length * H);
    y.gates.resize(length * 4 * H), y.clipped.resize(length * H);
    for (Index s = 0; s < p.lengths[b]; ++s) {
      const Index t = p.direction == Direction::forward ? s : p.lengths[b] - 1 - s;
      const T* const x = p.x[b].data() + t * I;
      const auto peephole = [&](Gate gate, Index unit, const std::vector<double>& state) {
        if (!p.spec.has_peephole(gate)) return 0.0;
        const Index row = index(gate) * H + unit;
        if (p.spec.peephole == Peephole::diagonal) return p.weight_ch[row] * state[unit];
        double sum = 0;
        for (Index k = 0; k < H; ++k)
          sum += static_cast<double>(p.weight_ch[row * H + k]) * state[k];
        return sum;
      };
      const auto sum = [&](Gate gate, Index unit) {
        const Index row = index(gate) * H + unit;
        double a = p.bias.empty() ? 0 : p.bias[row];
        for (Index k = 0; k < I; ++k) a += static_cast<double>(p.weight_ih[row * I + k]) * x[k];
        for (Index k = 0; k < P; ++k) a += static_cast<double>(p.weight_hh[row * P + k]) * h[k];
        return a;
      };
      const double bound = p.spec.preactivation_clip;
      std::vector<double> next_c(H), next_h(H), noted(H, 0.0);
      const auto gate_of = [&](Activation activation, Gate gate, Index unit,
                               const std::vector<double>& state) {
        const double a = sum(gate, unit) + peephole(gate, unit, state);
        if (std::fabs(a) > bound) noted[unit] += 1 << index(gate);
        if (std::fabs(std::fabs(a) - bound) < kCloseToBound) noted[unit] = -1e9;
        return activate(activation, clip(a, bound));
      };
      T* const gates = y.gates.data() + t * 4 * H;
      for (Index u = 0; u < H; ++u) {
        const double i = gate_of(f.i, Gate::input, u, c);
        const double of_f = gate_of(f.f, Gate::forget, u, c);
        const double forget = p.spec.coupled_input_forget ? 1 - i : of_f;
        const double g = gate_of(f.g, Gate::cell, u, c);
        next_c[u] = clip(forget * c[u] + g * i, p.spec.cell_clip);
        gates[u] = T(i), gates[H + u] = T(forget), gates[2 * H + u] = T(g);
      }
      const auto& seen = p.spec.output_reads_current() ? next_c : c;
      for (Index u = 0; u < H; ++u) {
        const double o = gate_of(f.o, Gate::output, u, seen);
        next_h[u] = activate(f.c, next_c[u]) * o;
        gates[3 * H + u] = T(o);
        y.c[t * H + u] = T(next_c[u]);
        y.clipped[t * H + u] = T(noted[u] < 0 ? kUndecided : noted[u]);
      }
      const auto [clipped, unclipped] = project(p, next_h);
      for (Index k = 0; k < P; ++k) {
        y.h[t * P + k] = T(clipped[k]), y.unclipped[t * P + k] = T(unclipped[k]);
      }
      h = clipped, c = next_c;
    }
    y.final_h.assign(h.begin(), h.end()), y.final_c.assign(c.begin(), c.end());
    if (!p.training) y.gates.clear(), y.c.clear();
    if (!p.training || !p.spec.clips_preactivations()) y.clipped.clear();
    if (!p.training || !p.spec.projection_clip) y.unclipped.clear();
    results.push_back(y);
  }
  return results;
}

}  // namespace peephole
