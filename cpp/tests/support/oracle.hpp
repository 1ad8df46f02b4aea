#pragma once

#include <algorithm>
#include <cmath>
#include <optional>

#include "support/activate.hpp"
#include "support/arrays.hpp"

/// The equations of LSTM, index by index in double precision, one sequence at a time. Written to be
/// compared with the page, not to be fast; shares no code with the library.
namespace peephole::test {

using Row = std::vector<double>;

struct OracleState {
  Row h, c;
};

/// A parameter by name, in double; empty when the model has none of that name.
template <class T>
Row parameter(const Parameters<T>& parameters, const std::string& name) {
  const Index i = parameters.find(name);
  if (i < 0) return {};
  return Row(parameters.data(i), parameters.data(i) + parameters.specs()[at(i)].size());
}

/// NaN stays NaN.
inline double clipped(double value, std::optional<double> bound) {
  if (!bound || std::isnan(value)) return value;
  return std::fmin(std::fmax(value, -*bound), *bound);
}

/// LN(z) = (z - mean z) / sqrt(var z + epsilon)
inline Row normalised(Row z, double epsilon) {
  const double size = static_cast<double>(z.size());
  double mean = 0, variance = 0;
  for (const double value : z) mean += value / size;
  for (double& value : z) value -= mean;
  for (const double value : z) variance += value * value / size;
  for (double& value : z) value /= std::sqrt(variance + epsilon);
  return z;
}

/// One layer in one direction: x (T, I) -> h (T, P); `state` goes from initial to final.
template <class T>
std::vector<Row> layer(const LSTMConfig& config, const Parameters<T>& parameters, Index k,
                       bool reverse, const std::vector<Row>& x, OracleState& state) {
  const std::string suffix = "_l" + std::to_string(k) + (reverse ? "_reverse" : "");
  const Row W = parameter(parameters, "weight_ih" + suffix);
  const Row R = parameter(parameters, "weight_hh" + suffix);
  const Row P = parameter(parameters, "weight_ch" + suffix);
  const Row b = parameter(parameters, "bias" + suffix);
  const Row W_hr = parameter(parameters, "weight_hr" + suffix);
  const auto gains = [&](const char* name) { return parameter(parameters, name + suffix); };
  const Row gain = gains("gain"), gain_x = gains("gain_ih"), gain_h = gains("gain_hh");
  const Row gain_c = gains("gain_c"), shift_c = gains("shift_c");
  const LayerNormCell cell = config.layer_norm ? config.layer_norm_cell : LayerNormCell::none;
  const double epsilon = config.layer_norm_epsilon;
  const Activations activations =
      config.activations.empty() ? Activations{} : config.activations[at(k)];
  const std::size_t H = at(config.hidden_sizes[at(k)]), recurrent = at(config.recurrent_size(k));

  const auto peephole = [&](Gate gate, std::size_t n, const Row& c) {
    const auto row = static_cast<std::size_t>(index(gate)) * H + n;
    if (P.empty() || !config.peephole_gates.contains(gate)) return 0.0;
    if (config.peephole == Peephole::diagonal) return P[row] * c[n];
    double sum = 0;
    for (std::size_t m = 0; m < H; ++m) sum += P[row * H + m] * c[m];
    return sum;
  };
  /// Row `row` of W x or R h; with LayerNorm::products, all of them normalised.
  const auto product = [&](const Row& weights, const Row& of, const Row& gain_of, std::size_t row) {
    Row rows(4 * H);
    for (std::size_t r = 0; r < 4 * H; ++r) {
      for (std::size_t m = 0; m < of.size(); ++m) rows[r] += weights[r * of.size() + m] * of[m];
    }
    return gain_of.empty() ? rows[row] : gain_of[row] * normalised(rows, epsilon)[row];
  };
  const auto gate_of = [&](Gate gate, std::size_t n, const Row& x_t, const Row& c) {
    const std::size_t first = static_cast<std::size_t>(index(gate)) * H, row = first + n;
    const auto sum = [&](std::size_t u) {
      return product(W, x_t, gain_x, first + u) + product(R, state.h, gain_h, first + u) +
             peephole(gate, u, c);
    };
    const auto act = [&](double a_k) {
      return activate(activations.of(gate), clipped(a_k, config.preactivation_clip));
    };
    double a = b.empty() ? 0 : b[row];
    if (gain.empty()) return act(a + sum(n));
    Row sums(H);
    for (std::size_t u = 0; u < H; ++u) sums[u] = sum(u);
    return act(a + gain[row] * normalised(sums, epsilon)[n]);
  };
  const auto normalised_c = [&](Row c) {
    const Row hat = normalised(c, epsilon);
    for (std::size_t n = 0; n < H; ++n) c[n] = gain_c[n] * hat[n] + shift_c[n];
    return c;
  };

  const auto project = [&](const Row& m_t) {
    if (!config.projection_size) return m_t;
    Row h_t(recurrent);
    for (std::size_t p = 0; p < recurrent; ++p) {
      for (std::size_t n = 0; n < H; ++n) h_t[p] += W_hr[p * H + n] * m_t[n];
      if (!config.projection_clip) continue;
      h_t[p] = std::min(std::max(h_t[p], -*config.projection_clip), *config.projection_clip);
    }
    return h_t;
  };

  std::vector<Row> h(x.size());
  for (std::size_t step = 0; step < x.size(); ++step) {
    const std::size_t t = reverse ? x.size() - 1 - step : step;
    Row c_t(H), m_t(H);
    for (std::size_t n = 0; n < H; ++n) {
      const double i = gate_of(Gate::input, n, x[t], state.c);
      const double f =
          config.coupled_input_forget ? 1 - i : gate_of(Gate::forget, n, x[t], state.c);
      const double g = gate_of(Gate::cell, n, x[t], state.c);
      c_t[n] = f * state.c[n] + g * i;
    }
    if (cell == LayerNormCell::state) c_t = normalised_c(c_t);
    for (double& value : c_t) value = clipped(value, config.cell_clip);
    const Row shown = cell == LayerNormCell::output ? normalised_c(c_t) : c_t;
    const Row& c_read = config.output_peephole == OutputPeephole::current ? c_t : state.c;
    for (std::size_t n = 0; n < H; ++n) {
      m_t[n] = activate(activations.c, shown[n]) * gate_of(Gate::output, n, x[t], c_read);
    }
    h[t] = project(m_t);
    state = {h[t], c_t};
  }
  return h;
}

/// The whole stack over one sequence of real steps: x (T, I) -> y (T, D*P_last). `states`, one per
/// layer and direction, go from initial to final.
template <class T>
std::vector<Row> stack(const LSTMConfig& config, const Parameters<T>& parameters,
                       std::vector<Row> x, std::vector<OracleState>& states) {
  std::size_t next = 0;
  for (Index k = 0; k < config.layers(); ++k) {
    std::vector<Row> y = layer(config, parameters, k, false, x, states[next++]);
    if (config.bidirectional) {
      const std::vector<Row> second = layer(config, parameters, k, true, x, states[next++]);
      for (std::size_t t = 0; t < y.size(); ++t) {
        y[t].insert(y[t].end(), second[t].begin(), second[t].end());
      }
    }
    x = y;
  }
  return x;
}

/// Sequence `b` of a C-contiguous (B, T, F) array, its first `length` steps.
template <class T>
std::vector<Row> sequence(const std::vector<T>& array, Index b, Index time, Index features,
                          Index length) {
  std::vector<Row> rows;
  for (Index t = 0; t < length; ++t) {
    const auto begin = array.begin() + (b * time + t) * features;
    rows.emplace_back(begin, begin + features);
  }
  return rows;
}

/// Row `b` of every state.
template <class T>
std::vector<OracleState> states_of(const States<T>& states, const LSTMConfig& config, Index b) {
  std::vector<OracleState> rows;
  for (std::size_t i = 0; i < states.h.size(); ++i) {
    const auto row = [&](const std::vector<T>& array, Index size) {
      return Row(array.begin() + b * size, array.begin() + (b + 1) * size);
    };
    const Index layer = static_cast<Index>(i) / config.directions();
    rows.push_back({row(states.h[i], config.recurrent_size(layer)),
                    row(states.c[i], config.hidden_sizes[at(layer)])});
  }
  return rows;
}

}  // namespace peephole::test
