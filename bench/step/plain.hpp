#pragma once

#include <algorithm>
#include <cmath>

#include "step.hpp"

/// The equations in double precision, index by index: what every answer is held against.
namespace bench::plain {

using Doubles = std::vector<double>;

inline double sigmoid(double a) { return 1 / (1 + std::exp(-a)); }

enum Gate { i, f, g, o };

/// One step with everything that its gradients need.
struct Taken {
  Doubles gate[4], c_before, h_before, c, h;
};

inline double peephole(const Problem& problem, Model model, int gate, std::size_t n) {
  return model == Model::onnx && gate == g ? 0
                                           : problem.peepholes[std::size_t(gate) * problem.H + n];
}

/// a_k = W_k x_t + R_k h_{t-1} + P_k c_{t-1} + b_k; P_o of c_t in the model of ONNX.
inline Taken step(const Problem& problem, Model model, const Doubles& h, const Doubles& c) {
  const std::size_t I = problem.I, H = problem.H;
  Taken taken;
  taken.h_before = h;
  taken.c_before = c;
  taken.c.resize(H);
  taken.h.resize(H);
  for (auto& gate : taken.gate) gate.resize(H);
  for (std::size_t n = 0; n < H; ++n) {
    double a[4];
    for (int k = 0; k < 4; ++k) {
      const std::size_t row = std::size_t(k) * H + n;
      a[k] = problem.bias[row];
      for (std::size_t m = 0; m < I; ++m)
        a[k] += double(problem.weight_ih[row * I + m]) * problem.x[m];
      for (std::size_t m = 0; m < H; ++m) a[k] += problem.weight_hh[row * H + m] * h[m];
      if (k != o) a[k] += peephole(problem, model, k, n) * c[n];
    }
    auto& gate = taken.gate;
    gate[i][n] = sigmoid(a[i]);
    gate[f][n] = sigmoid(a[f]);
    gate[g][n] = std::tanh(a[g]);
    taken.c[n] = gate[f][n] * c[n] + gate[g][n] * gate[i][n];
    const double read = model == Model::onnx ? taken.c[n] : c[n];
    gate[o][n] = sigmoid(a[o] + peephole(problem, model, o, n) * read);
    taken.h[n] = std::tanh(taken.c[n]) * gate[o][n];
  }
  return taken;
}

/// Gradients of dy · h_t of that one step.
struct Derivatives {
  Doubles x, weight_ih, weight_hh, peepholes, bias;
};

inline Derivatives backward(const Problem& problem, Model model, const Taken& taken) {
  const std::size_t I = problem.I, H = problem.H;
  Derivatives d{Doubles(I), Doubles(4 * H * I), Doubles(4 * H * H), Doubles(4 * H), Doubles(4 * H)};
  for (std::size_t n = 0; n < H; ++n) {
    const double i_ = taken.gate[i][n], f_ = taken.gate[f][n];
    const double g_ = taken.gate[g][n], o_ = taken.gate[o][n];
    const double tanh_c = std::tanh(taken.c[n]);
    const double da_o = problem.dy[n] * tanh_c * o_ * (1 - o_);
    double dc = problem.dy[n] * o_ * (1 - tanh_c * tanh_c);
    if (model == Model::onnx) dc += peephole(problem, model, o, n) * da_o;
    const double da[4] = {dc * g_ * i_ * (1 - i_), dc * taken.c_before[n] * f_ * (1 - f_),
                          dc * i_ * (1 - g_ * g_), da_o};
    for (int k = 0; k < 4; ++k) {
      const std::size_t row = std::size_t(k) * H + n;
      d.bias[row] = da[k];
      const bool current = model == Model::onnx && k == o;
      const bool absent = model == Model::onnx && k == g;
      d.peepholes[row] = absent ? 0 : da[k] * (current ? taken.c[n] : taken.c_before[n]);
      for (std::size_t m = 0; m < I; ++m) {
        d.weight_ih[row * I + m] = da[k] * problem.x[m];
        d.x[m] += da[k] * problem.weight_ih[row * I + m];
      }
      for (std::size_t m = 0; m < H; ++m) d.weight_hh[row * H + m] = da[k] * taken.h_before[m];
    }
  }
  return d;
}

/// The largest error over the largest value.
inline double error(const Values& actual, const Doubles& exact) {
  if (actual.size() != exact.size()) return INFINITY;
  double largest = 0, scale = 1e-30;
  for (std::size_t n = 0; n < exact.size(); ++n) {
    const double difference = std::abs(actual[n] - exact[n]);
    if (!(difference <= largest)) largest = difference;  // keeps NaN
    scale = std::max(scale, std::abs(exact[n]));
  }
  return largest / scale;
}

}  // namespace bench::plain
