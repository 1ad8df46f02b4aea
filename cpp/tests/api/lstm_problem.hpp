#pragma once

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/check.hpp"
#include "support/oracle.hpp"

/// A training pass over a small stack, which the tests of LSTM share.
namespace peephole::test {

/// Against the oracle: a few roundings per term, sums of some ten terms, six steps, two layers.
template <class T>
inline constexpr double kRounding = std::is_same_v<T, float> ? 1e-5 : 1e-13;
inline constexpr Index kBatch = 4;
inline constexpr Index kTime = 6;
inline const std::vector<Index> kRagged = {6, 0, 3, 1};

/// One stack and all arrays of a training pass over it, at random.
template <class T>
struct Problem {
  LSTMConfig config;
  std::vector<Index> lengths;
  Random random;
  LSTM<T> lstm;
  Index I, F;
  std::vector<T> x, y, dy, dx, dparameters;
  States<T> initial, final, dfinal, dinitial;

  Problem(const LSTMConfig& config_, std::vector<Index> lengths_, std::uint64_t seed)
      : config(config_),
        lengths(std::move(lengths_)),
        random(seed),
        lstm(config, uninitialised),
        I(config.input_size),
        F(config.output_size()),
        x(random.values<T>(kBatch * kTime * I)),
        y(at(kBatch * kTime * F), T{7}),
        dy(random.values<T>(kBatch * kTime * F)),
        dx(x.size(), T{7}),
        dparameters(at(lstm.parameters().flat_size()), T{7}),
        initial(config, kBatch, random),
        final(config, kBatch),
        dfinal(config, kBatch, random),
        dinitial(config, kBatch) {
    randomise(lstm.parameters(), random);
    const T nan = std::numeric_limits<T>::quiet_NaN();
    for (Index b = 0; b < kBatch; ++b) {
      for (Index t = length(b); t < kTime; ++t) {
        std::fill_n(x.begin() + (b * kTime + t) * I, I, nan);
        std::fill_n(dy.begin() + (b * kTime + t) * F, F, nan);
      }
    }
  }

  Index length(Index b) const { return lengths.empty() ? kTime : lengths[at(b)]; }

  SequenceView<const T> x_view() const { return contiguous(x.data(), kBatch, kTime, I); }
  SequenceView<T> y_view() { return contiguous(y.data(), kBatch, kTime, F); }

  void infer() {
    const auto from = initial.const_views();
    const auto to = final.views();
    lstm.infer({x_view(), lengths, from}, {y_view(), to});
  }
  void forward(Tape<T>& tape) {
    const auto from = initial.const_views();
    const auto to = final.views();
    lstm.forward({x_view(), lengths, from}, {y_view(), to}, tape);
  }
  void backward(const Tape<T>& tape) {
    const auto from = dfinal.const_views();
    const auto to = dinitial.views();
    lstm.backward(tape, Gradient<T>::of_y(contiguous<const T>(dy.data(), kBatch, kTime, F), from),
                  dparameters, {contiguous(dx.data(), kBatch, kTime, I), to});
  }

  /// <dy, y> + <dfinal, final>: its gradient is what backward computes.
  double loss() {
    infer();
    double sum = 0;
    for (Index b = 0; b < kBatch; ++b) {
      for (Index j = b * kTime * F; j < (b * kTime + length(b)) * F; ++j)
        sum += dy[at(j)] * y[at(j)];
    }
    for (std::size_t i = 0; i < final.h.size(); ++i) {
      for (std::size_t j = 0; j < final.h[i].size(); ++j) sum += dfinal.h[i][j] * final.h[i][j];
      for (std::size_t j = 0; j < final.c[i].size(); ++j) sum += dfinal.c[i][j] * final.c[i][j];
    }
    return sum;
  }
};

/// Calls f(config, number) for every form of peephole, with the other options taking turns.
template <class F>
void for_each_config(F&& f) {
  int number = 0;
  for (Peephole peephole : {Peephole::none, Peephole::diagonal, Peephole::dense}) {
    for (OutputPeephole read : {OutputPeephole::previous, OutputPeephole::current}) {
      for (bool bidirectional : {false, true}) {
        for (const char* gates : {"ifgo", "ifo", "g", ""}) {
          LSTMConfig config;
          config.input_size = 2;
          config.hidden_sizes = std::vector<Index>{3, 2};
          if (number % 4 == 3) {
            config.hidden_sizes = std::vector<Index>{4, 3};
            config.projection_size = 1 + number % 8 / 4;
          }
          config.peephole = peephole;
          config.peephole_gates = parse_gates(gates);
          config.output_peephole = read;
          config.bidirectional = bidirectional;
          config.bias = number % 3 != 0;
          config.coupled_input_forget = number % 5 == 4;
          if (number % 3 == 1) {
            config.layer_norm = static_cast<LayerNorm>(number % 2);
            config.layer_norm_cell = static_cast<LayerNormCell>(number / 3 % 3);
            config.layer_norm_epsilon = 0.1;
          }
          if (number % 2 == 1) {
            config.activations.resize(2);
            config.activations[0] = {Activation::hard_sigmoid, Activation::softsign,
                                     Activation::relu, Activation::one, Activation::identity};
            config.activations[1] = {Activation::one, Activation::sigmoid, Activation::softplus,
                                     Activation::tanh, Activation::softsign};
          }
          if (number % 4 == 2) config.cell_clip = 0.3;
          if (number % 5 >= 3) config.preactivation_clip = 0.5;
          f(config, number++);
        }
      }
    }
  }
}

template <class T>
void check_against_oracle(Problem<T>& problem) {
  const LSTMConfig& config = problem.config;
  for (Index b = 0; b < kBatch; ++b) {
    std::vector<OracleState> states = states_of(problem.initial, config, b);
    const std::vector<Row> expected =
        stack(config, problem.lstm.parameters(),
              sequence(problem.x, b, kTime, problem.I, problem.length(b)), states);
    const std::vector<Row> got = sequence(problem.y, b, kTime, problem.F, kTime);
    for (Index t = 0; t < kTime; ++t) {
      for (Index n = 0; n < problem.F; ++n) {
        const double value = got[at(t)][at(n)];
        if (t < problem.length(b)) {
          CHECK_CLOSE(value, expected[at(t)][at(n)], kRounding<T>);
        } else {
          CHECK(value == 0);
        }
      }
    }
    const std::vector<OracleState> final = states_of(problem.final, config, b);
    for (std::size_t i = 0; i < states.size(); ++i) {
      for (std::size_t n = 0; n < states[i].h.size(); ++n) {
        CHECK_CLOSE(final[i].h[n], states[i].h[n], kRounding<T>);
      }
      for (std::size_t n = 0; n < states[i].c.size(); ++n) {
        CHECK_CLOSE(final[i].c[n], states[i].c[n], kRounding<T>);
      }
    }
  }
}

inline LSTMConfig one_layer(Index inputs, Index units) {
  LSTMConfig config;
  config.input_size = inputs;
  config.hidden_sizes = std::vector<Index>{units};
  return config;
}

}  // namespace peephole::test
