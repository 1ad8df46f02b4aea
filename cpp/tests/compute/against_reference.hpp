#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "peephole/lstm.hpp"
#include "peephole/runtime.hpp"
#include "peephole/stream.hpp"
#include "support/arrays.hpp"
#include "support/check.hpp"

/// Models and batches at random, whose results by the kernels are compared with the reference
/// path's, and with those of the same batch divided in another way.
namespace peephole::test {

/// Relative to the largest value of an array.
template <class T>
constexpr double kTolerance = sizeof(T) == 4 ? 1e-4 : 1e-11;

/// low <= value <= high.
inline Index pick(Random& random, Index low, Index high) {
  return low + static_cast<Index>(random.uniform(0, static_cast<double>(high - low + 1)));
}

/// A model and a batch.
template <class T>
struct Case {
  Case(const LSTMConfig& config_, Index batch, Index time, Random& random)
      : config(config_),
        B(batch),
        steps(time),
        I(config.input_size),
        F(config.output_size()),
        lstm(config, uninitialised),
        x(random.values<T>(B * steps * I)),
        dy(random.values<T>(B * steps * F)),
        initial(config, B, random),
        dfinal(config, B, random) {
    Parameters<T>& parameters = lstm.parameters();
    for (Index i = 0; i < static_cast<Index>(parameters.specs().size()); ++i) {
      const ParameterSpec& spec = parameters.specs()[at(i)];
      const double bound = 1 / std::sqrt(std::fmax(4, static_cast<double>(spec.columns)));
      parameters.assign(i, random.values<T>(spec.size(), -bound, bound).data());
    }
    for (Index b = 0; b < B; ++b) lengths.push_back(pick(random, 0, steps));
  }

  /// y and the final states.
  std::vector<std::vector<T>> infer() const {
    std::vector<T> y(dy.size());
    States<T> final(config, B);
    const auto from = initial.const_views();
    const auto to = final.views();
    lstm.infer({contiguous(x.data(), B, steps, I), lengths, from},
               {contiguous(y.data(), B, steps, F), to});
    return all_of({y}, final);
  }

  /// y, the final states, and all gradients.
  std::vector<std::vector<T>> train() const {
    std::vector<T> y(dy.size()), dx(x.size()), dparameters(at(lstm.parameters().flat_size()));
    States<T> final(config, B), dinitial(config, B);
    const auto from = initial.const_views(), dfrom = dfinal.const_views();
    const auto to = final.views(), dto = dinitial.views();
    Tape<T> tape;
    lstm.forward({contiguous(x.data(), B, steps, I), lengths, from},
                 {contiguous(y.data(), B, steps, F), to}, tape, 11);
    lstm.backward(tape, Gradient<T>::of_y(contiguous<const T>(dy.data(), B, steps, F), dfrom),
                  dparameters, {contiguous(dx.data(), B, steps, I), dto});
    return all_of(all_of({y, dx, dparameters}, final), dinitial);
  }

  const LSTMConfig config;
  const Index B, steps, I, F;
  LSTM<T> lstm;
  std::vector<T> x, dy;
  std::vector<Index> lengths;
  States<T> initial, dfinal;

 private:
  static std::vector<std::vector<T>> all_of(std::vector<std::vector<T>> arrays,
                                            const States<T>& states) {
    arrays.insert(arrays.end(), states.h.begin(), states.h.end());
    arrays.insert(arrays.end(), states.c.begin(), states.c.end());
    return arrays;
  }
};

/// The instruction sets that have kernels.
inline std::vector<std::string> kernel_isas() {
  std::vector<std::string> names = isas();
  names.erase(std::remove(names.begin(), names.end(), "reference"), names.end());
  return names;
}

template <class T>
void check_close(const std::vector<std::vector<T>>& got,
                 const std::vector<std::vector<T>>& expected) {
  CHECK(got.size() == expected.size());
  for (std::size_t n = 0; n < got.size(); ++n) {
    double largest = 1e-30, worst = 0;
    for (std::size_t k = 0; k < got[n].size(); ++k) {
      largest = std::fmax(largest, std::abs(static_cast<double>(expected[n][k])));
      const double error = std::abs(static_cast<double>(got[n][k] - expected[n][k]));
      if (!(error <= worst)) worst = error;  // NaN too
    }
    CHECK(worst <= kTolerance<T> * largest);
  }
}

template <class T>
void check_against_reference(const Case<T>& of) {
  set_isa("reference");
  const auto infers = of.infer(), trains = of.train();
  for (const std::string& name : kernel_isas()) {
    set_isa(name);
    check_close(of.infer(), infers);
    check_close(of.train(), trains);
  }
}

/// The y of sequence b from step `first` on, from a state that becomes the final one.
template <class T>
std::vector<T> infer_part(const Case<T>& of, Index b, Index first, Index last, States<T>& state) {
  std::vector<T> y(at((last - first) * of.F));
  const States<T> initial = state;
  const auto from = initial.const_views();
  const auto to = state.views();
  of.lstm.infer(
      {contiguous(of.x.data() + (b * of.steps + first) * of.I, 1, last - first, of.I), {}, from},
      {contiguous(y.data(), 1, last - first, of.F), to});
  return y;
}

/// One sequence's rows of the states of a batch.
template <class T>
States<T> state_of(const States<T>& batch, const LSTMConfig& config, Index b) {
  States<T> state(config, 1);
  for (std::size_t i = 0; i < state.h.size(); ++i) {
    const Index H = state.hidden_sizes[i], P = state.recurrent_sizes[i];
    std::copy_n(batch.h[i].begin() + b * P, P, state.h[i].begin());
    std::copy_n(batch.c[i].begin() + b * H, H, state.c[i].begin());
  }
  return state;
}

/// In inference, a sequence alone, in two chunks, and in a stream.
template <class T>
void check_division(Case<T>& of) {
  of.lengths.assign(at(of.B), of.steps);
  const std::vector<T> whole = of.infer().front();
  const Index size = of.steps * of.F, middle = of.steps / 3;
  Stream<T> stream(of.lstm, of.B);
  const auto states = of.initial.const_views();
  for (Index l = 0; l < of.config.layers(); ++l) stream.set_state(l, states[at(l)]);
  std::vector<T> streamed(whole.size());
  stream.process(of.x.data(), streamed.data(), of.steps);
  CHECK(streamed == whole);
  for (Index b = 0; b < of.B; ++b) {
    const std::vector<T> expected(whole.begin() + b * size, whole.begin() + (b + 1) * size);
    States<T> state = state_of(of.initial, of.config, b);
    CHECK(infer_part(of, b, 0, of.steps, state) == expected);

    state = state_of(of.initial, of.config, b);
    std::vector<T> parts = infer_part(of, b, 0, middle, state);
    const std::vector<T> rest = infer_part(of, b, middle, of.steps, state);
    parts.insert(parts.end(), rest.begin(), rest.end());
    CHECK(parts == expected);

    Stream<T> alone(of.lstm);
    state = state_of(of.initial, of.config, b);
    const auto view = state.const_views();
    for (Index l = 0; l < of.config.layers(); ++l) alone.set_state(l, view[at(l)]);
    std::vector<T> y(at(size));
    alone.process(of.x.data() + b * of.steps * of.I, y.data(), of.steps);
    CHECK(y == expected);
  }
}

/// A sequence that is not finite changes no other one.
template <class T>
void check_nan(Case<T>& of) {
  of.lengths.assign(at(of.B), of.steps);
  const std::vector<T> infers = of.infer().front(), y = of.train()[0], dx = of.train()[1];
  const Index row = of.B / 2;
  of.x[at((row * of.steps + 1) * of.I)] = std::numeric_limits<T>::quiet_NaN();
  const auto check_others = [&](const std::vector<T>& got, const std::vector<T>& expected) {
    const auto size = static_cast<Index>(got.size()) / of.B;
    for (Index b = 0; b < of.B; ++b) {
      const bool same = std::equal(got.begin() + b * size, got.begin() + (b + 1) * size,
                                   expected.begin() + b * size);
      CHECK(same == (b != row));
    }
  };
  check_others(of.infer().front(), infers);
  const auto trained = of.train();
  check_others(trained[0], y);
  check_others(trained[1], dx);
}

/// Both, for layers of `config_of(random)` on every instruction set that has kernels.
template <class T, class ConfigOf>
void check_bits(int trials, const ConfigOf& config_of) {
  for (const std::string& name : kernel_isas()) {
    set_isa(name);
    Random random(5);
    for (int trial = 0; trial < trials; ++trial) {
      LSTMConfig config = config_of(random);
      config.bidirectional = false;
      Case<T> of(config, trial % 3 == 0 ? 1 : pick(random, 2, 14), pick(random, 3, 20), random);
      check_division(of);
      check_nan(of);
    }
  }
}

}  // namespace peephole::test
