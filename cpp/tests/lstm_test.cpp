#include "peephole/lstm.hpp"

#include <algorithm>
#include <limits>
#include <thread>

#include "check.hpp"
#include "oracle.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

/// Against the oracle: a few roundings per term, sums of some ten terms, six steps, two layers.
template <class T>
constexpr double kRounding = std::is_same_v<T, float> ? 1e-5 : 1e-13;
/// Central differences in double: a step of 1e-5 leaves 1e-10 of truncation and 1e-11 of rounding.
constexpr double kStep = 1e-5;
constexpr double kDifferences = 1e-7;

constexpr Index kBatch = 4;
constexpr Index kTime = 6;
const std::vector<Index> kRagged = {6, 0, 3, 1};

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
        lstm(config),
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
    lstm.infer(x_view(), span(lengths), span(initial.const_views()), y_view(), span(final.views()));
  }
  void forward(Tape<T>& tape) {
    lstm.forward(x_view(), span(lengths), span(initial.const_views()), y_view(),
                 span(final.views()), tape);
  }
  void backward(const Tape<T>& tape) {
    lstm.backward(tape, contiguous<const T>(dy.data(), kBatch, kTime, F),
                  span(dfinal.const_views()), contiguous(dx.data(), kBatch, kTime, I),
                  span(dinitial.views()), dparameters.data());
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
      for (std::size_t j = 0; j < final.h[i].size(); ++j) {
        sum += dfinal.h[i][j] * final.h[i][j] + dfinal.c[i][j] * final.c[i][j];
      }
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
          config.peephole = peephole;
          config.peephole_gates = parse_gates(gates);
          config.output_peephole = read;
          config.bidirectional = bidirectional;
          config.bias = number % 3 != 0;
          config.coupled_input_forget = number % 5 == 4;
          if (number % 2 == 1) {
            config.activations.resize(2);
            config.activations[0] = {Activation::hard_sigmoid, Activation::softsign,
                                     Activation::relu, Activation::one, Activation::identity};
            config.activations[1] = {Activation::one, Activation::sigmoid, Activation::softplus,
                                     Activation::tanh, Activation::softsign};
          }
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
        CHECK_CLOSE(final[i].c[n], states[i].c[n], kRounding<T>);
      }
    }
  }
}

template <class T>
void forward_equals_the_oracle() {
  for_each_config([](const LSTMConfig& config, int number) {
    const bool ragged = number % 4 < 2;
    Problem<T> problem(config, ragged ? kRagged : std::vector<Index>{}, 100);
    Parameters<T>& parameters = problem.lstm.parameters();
    if (number % 6 == 5) {
      thin_out(parameters, parameters.find("weight_hh_l0"), problem.random);
      if (config.peephole != Peephole::none) {
        thin_out(parameters, parameters.find("weight_ch_l1"), problem.random);
      }
    }
    problem.infer();
    check_against_oracle(problem);
    const std::vector<T> inferred = problem.y;
    Tape<T> tape;
    problem.forward(tape);
    check_against_oracle(problem);
    CHECK(inferred == problem.y);
    CHECK(tape.batch() == kBatch);
    CHECK(tape.time() == kTime);
    CHECK(tape.bytes() > 0);
  });
}

void check_gradient(Problem<double>& problem, std::vector<double>& values,
                    const std::vector<double>& gradient) {
  for (std::size_t j = 0; j < values.size(); ++j) {
    const double value = values[j];
    if (std::isnan(value)) {
      CHECK(gradient[j] == 0);  // padding
      continue;
    }
    values[j] = value + kStep;
    const double above = problem.loss();
    values[j] = value - kStep;
    const double below = problem.loss();
    values[j] = value;
    CHECK_CLOSE(gradient[j], (above - below) / (2 * kStep), kDifferences);
  }
}

void gradient_equals_finite_differences() {
  for_each_config([](const LSTMConfig& config, int number) {
    Problem<double> problem(config, number % 4 < 2 ? kRagged : std::vector<Index>{}, 200);
    Parameters<double>& parameters = problem.lstm.parameters();
    const Index masked = parameters.find("weight_hh_l1");
    if (number % 6 == 5) thin_out(parameters, masked, problem.random);

    Tape<double> tape;
    problem.forward(tape);
    problem.backward(tape);
    check_gradient(problem, problem.x, problem.dx);
    for (std::size_t i = 0; i < problem.initial.h.size(); ++i) {
      check_gradient(problem, problem.initial.h[i], problem.dinitial.h[i]);
      check_gradient(problem, problem.initial.c[i], problem.dinitial.c[i]);
    }
    for (Index i = 0; i < static_cast<Index>(parameters.specs().size()); ++i) {
      for (Index j = 0; j < parameters.specs()[at(i)].size(); ++j) {
        const Index k = parameters.offset(i) + j;
        if (parameters.masked(i) && !parameters.mask(i)[j]) {
          CHECK(problem.dparameters[at(k)] == 0);
          continue;
        }
        double& value = parameters.mutable_flat()[k];
        const double before = value;
        const auto loss_at = [&](double moved) {
          value = moved;
          parameters.touch();
          return problem.loss();
        };
        const double slope = (loss_at(before + kStep) - loss_at(before - kStep)) / (2 * kStep);
        loss_at(before);
        CHECK_CLOSE(problem.dparameters[at(k)], slope, kDifferences);
      }
    }
  });
}

LSTMConfig one_layer(Index inputs, Index units) {
  LSTMConfig config;
  config.input_size = inputs;
  config.hidden_sizes = std::vector<Index>{units};
  return config;
}

void float_gradient_equals_double() {
  for_each_config([](const LSTMConfig& config, int) {
    Problem<float> single(config, kRagged, 300);
    Problem<double> exact(config, kRagged, 300);
    const auto copy = [](const std::vector<float>& from, std::vector<double>& to) {
      std::copy(from.begin(), from.end(), to.begin());
    };
    copy(single.x, exact.x);
    copy(single.dy, exact.dy);
    for (std::size_t i = 0; i < single.initial.h.size(); ++i) {
      copy(single.initial.h[i], exact.initial.h[i]);
      copy(single.initial.c[i], exact.initial.c[i]);
      copy(single.dfinal.h[i], exact.dfinal.h[i]);
      copy(single.dfinal.c[i], exact.dfinal.c[i]);
    }
    for (Index i = 0; i < static_cast<Index>(exact.lstm.parameters().specs().size()); ++i) {
      const std::string& name = exact.lstm.parameters().specs()[at(i)].name;
      exact.lstm.parameters().assign(i, parameter(single.lstm.parameters(), name).data());
    }
    Tape<float> tape;
    single.forward(tape);
    single.backward(tape);
    Tape<double> exact_tape;
    exact.forward(exact_tape);
    exact.backward(exact_tape);
    for (std::size_t j = 0; j < single.dx.size(); ++j) {
      CHECK_CLOSE(single.dx[j], exact.dx[j], kRounding<float>);
    }
    for (Index i = 0; i < static_cast<Index>(exact.lstm.parameters().specs().size()); ++i) {
      for (Index j = 0; j < exact.lstm.parameters().specs()[at(i)].size(); ++j) {
        CHECK_CLOSE(single.dparameters[at(single.lstm.parameters().offset(i) + j)],
                    exact.dparameters[at(exact.lstm.parameters().offset(i) + j)], kRounding<float>);
      }
    }
  });
}

/// T steps equal T1 steps and then T2 with the state carried.
template <class T>
void chunks() {
  for (Peephole peephole : {Peephole::none, Peephole::diagonal, Peephole::dense}) {
    LSTMConfig config = one_layer(2, 3);
    config.hidden_sizes.push_back(2);
    config.peephole = peephole;
    Problem<T> problem(config, {}, 400);
    problem.infer();
    const std::vector<T> whole = problem.y;
    const States<T> final = problem.final;

    const Index first = 4;
    SequenceView<const T> x = problem.x_view();
    SequenceView<T> y = problem.y_view();
    States<T> state = problem.initial, carried(config, kBatch);
    x.time = y.time = first;
    problem.lstm.infer(x, {}, span(state.const_views()), y, span(carried.views()));
    x.data = x.at(0, first);
    y.data = y.at(0, first);
    x.time = y.time = kTime - first;
    problem.lstm.infer(x, {}, span(carried.const_views()), y, span(state.views()));
    for (std::size_t j = 0; j < whole.size(); ++j) {
      CHECK_CLOSE(problem.y[j], whole[j], kRounding<T>);
    }
    for (std::size_t i = 0; i < state.h.size(); ++i) {
      for (std::size_t j = 0; j < state.h[i].size(); ++j) {
        CHECK_CLOSE(state.h[i][j], final.h[i][j], kRounding<T>);
        CHECK_CLOSE(state.c[i][j], final.c[i][j], kRounding<T>);
      }
    }
  }
}

/// Inputs may be reversed and overlap; what lies between the rows of a result is left alone.
void strides() {
  const LSTMConfig config = one_layer(3, 2);
  Random random(500);
  LSTM<double> lstm(config);
  randomise(lstm.parameters(), random);
  const std::vector<double> series = random.values<double>(8);
  const Index B = 2, time = 4;
  const SequenceView<const double> windows{series.data() + 5, B, time, 3, -1, -1};
  std::vector<double> copied;
  for (Index b = 0; b < B; ++b) {
    for (Index t = 0; t < time; ++t)
      copied.insert(copied.end(), windows.at(b, t), windows.at(b, t) + 3);
  }
  std::vector<double> expected(at(B * time * 2));
  lstm.infer(contiguous<const double>(copied.data(), B, time, 3), {}, {},
             contiguous(expected.data(), B, time, 2), {});

  const double untouched = 7;
  std::vector<double> wide(at(B * time * 5), untouched);
  lstm.infer(windows, {}, {}, {wide.data() + 1, B, time, 2, time * 5, 5}, {});
  for (Index row = 0; row < B * time; ++row) {
    for (Index n = 0; n < 5; ++n) {
      const double value = wide[at(row * 5 + n)];
      CHECK(value == (n == 1 || n == 2 ? expected[at(row * 2 + n - 1)] : untouched));
    }
  }
}

/// No batch, no time, no real step: y is 0, states pass through, gradients too.
void nothing_to_do() {
  const LSTMConfig config = one_layer(2, 3);
  LSTM<double> lstm(config);
  Random random(600);
  randomise(lstm.parameters(), random);
  for (Index batch : {0, 2}) {
    for (Index time : {0, 3}) {
      if (batch > 0 && time > 0) continue;
      Tape<double> tape;
      States<double> initial(config, batch, random), final(config, batch);
      const std::vector<double> none(1);
      double y = 7;
      lstm.forward({none.data(), batch, time, 2, 0, 0}, {}, span(initial.const_views()),
                   {&y, batch, time, 3, 0, 0}, span(final.views()), tape);
      CHECK(y == 7);
      CHECK(final.h == initial.h);
      CHECK(final.c == initial.c);
      States<double> dinitial(config, batch);
      std::vector<double> dparameters(at(lstm.parameters().flat_size()), 7.0);
      lstm.backward(tape, {none.data(), batch, time, 3, 0, 0}, span(initial.const_views()),
                    {nullptr, 0, 0, 0, 0, 0}, span(dinitial.views()), dparameters.data());
      CHECK(dinitial.h == initial.h);
      CHECK(dinitial.c == initial.c);
      for (Index i = 0; i < 4; ++i) CHECK(dparameters[at(lstm.parameters().offset(i))] == 0);
    }
  }
}

/// A tape serves again: for other shapes, and for several backward passes.
void tapes() {
  Problem<double> problem(one_layer(2, 3), kRagged, 700);
  Tape<double> tape;
  {
    const std::vector<double> x(at(9 * 7 * 2));
    std::vector<double> y(at(9 * 7 * 3));
    problem.lstm.forward(contiguous(x.data(), 9, 7, 2), {}, {}, contiguous(y.data(), 9, 7, 3), {},
                         tape);
  }
  problem.forward(tape);
  problem.backward(tape);
  const std::vector<double> dx = problem.dx, dparameters = problem.dparameters;
  problem.backward(tape);
  CHECK(problem.dx == dx);
  CHECK(problem.dparameters == dparameters);

  Tape<double> moved = std::move(tape);
  problem.backward(moved);
  CHECK(problem.dx == dx);
}

void a_write_shows_in_the_next_call() {
  Problem<double> problem(one_layer(2, 3), {}, 800);
  problem.infer();
  const std::vector<double> before = problem.y;
  Parameters<double>& parameters = problem.lstm.parameters();
  parameters.mutable_flat()[0] += 1;
  parameters.touch();
  problem.infer();
  CHECK(problem.y != before);
  check_against_oracle(problem);

  const std::shared_ptr<void> lease = parameters.lease();
  problem.infer();
  parameters.mutable_flat()[0] += 1;
  problem.infer();
  check_against_oracle(problem);
}

void several_threads_share_one_model() {
  Problem<float> problem(one_layer(2, 3), kRagged, 900);
  thin_out(problem.lstm.parameters(), 1, problem.random);
  Tape<float> tape;
  problem.forward(tape);
  problem.backward(tape);
  const Problem<float>& shared = problem;
  std::vector<std::vector<float>> results(4);
  std::vector<std::thread> threads;
  for (std::vector<float>& result : results) {
    threads.emplace_back([&shared, &result, &tape] {
      for (int repeat = 0; repeat < 20; ++repeat) {
        result.assign(shared.y.size() + shared.dparameters.size(), 7.0f);
        shared.lstm.infer(shared.x_view(), span(shared.lengths), span(shared.initial.const_views()),
                          contiguous(result.data(), kBatch, kTime, shared.F), {});
        shared.lstm.backward(tape, contiguous(shared.dy.data(), kBatch, kTime, shared.F),
                             span(shared.dfinal.const_views()), {}, {},
                             result.data() + shared.y.size());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<float>& result : results) {
    CHECK(std::equal(problem.y.begin(), problem.y.end(), result.begin()));
    const float* dparameters = result.data() + problem.y.size();
    for (Index i = 0; i < 4; ++i) {
      const Index begin = problem.lstm.parameters().offset(i);
      const Index end = begin + problem.lstm.parameters().specs()[at(i)].size();
      CHECK(
          std::equal(dparameters + begin, dparameters + end, problem.dparameters.begin() + begin));
    }
  }
}

void bad_arguments() {
  LSTMConfig config = one_layer(2, 3);
  CHECK_THROWS(LSTM<float>(one_layer(0, 3)), "input_size: expected");
  Problem<float> problem(config, {}, 1000);
  LSTM<float>& lstm = problem.lstm;
  const SequenceView<const float> x = problem.x_view();
  const SequenceView<float> y = problem.y_view();
  const std::vector<float> y_before = problem.y;
  const auto x_of = [&](Index batch, Index time, Index features) {
    return contiguous<const float>(problem.x.data(), batch, time, features);
  };
  const auto y_of = [&](Index batch, Index time, Index features) {
    return contiguous(problem.y.data(), batch, time, features);
  };

  CHECK_THROWS(lstm.infer(x_of(kBatch, kTime, 1), {}, {}, y, {}),
               "x: expected (batch, time, 2), got (4, 6, 1)");
  CHECK_THROWS(lstm.infer(x_of(-1, kTime, 2), {}, {}, y, {}), "x: expected");
  CHECK_THROWS(lstm.infer(contiguous<const float>(nullptr, kBatch, kTime, 2), {}, {}, y, {}),
               "x: expected");
  const Index huge = std::numeric_limits<Index>::max() / 2;
  CHECK_THROWS(lstm.infer({problem.x.data(), huge, huge, 2, 0, 0}, {}, {},
                          {problem.y.data(), huge, huge, 3, 0, 0}, {}),
               "x: expected");
  CHECK_THROWS(lstm.infer(x, {}, {}, y_of(kBatch, kTime, 2), {}), "y: expected (4, 6, 3)");
  CHECK_THROWS(lstm.infer(x, {}, {}, y_of(kBatch, kTime - 1, 3), {}), "y: expected (4, 6, 3)");
  CHECK_THROWS(lstm.infer(x, {}, {}, contiguous<float>(nullptr, kBatch, kTime, 3), {}),
               "y: expected");

  for (std::vector<Index> lengths :
       {std::vector<Index>{6, 6, 6}, {6, 6, 6, 7}, {6, -1, 6, 6}, {6, 6, 6, 6, 6}}) {
    CHECK_THROWS(lstm.infer(x, span(lengths), {}, y, {}), "lengths: expected");
  }

  std::vector<StateView<const float>> initial = problem.initial.const_views();
  initial.push_back(initial[0]);
  CHECK_THROWS(lstm.infer(x, {}, span(initial), y, {}), "state: expected 1 pairs");
  initial.pop_back();
  initial[0].c = nullptr;
  CHECK_THROWS(lstm.infer(x, {}, span(initial), y, {}), "state: expected");
  std::vector<StateView<float>> final = problem.final.views();
  final[0].h = nullptr;
  CHECK_THROWS(lstm.infer(x, {}, {}, y, span(final)), "final: expected");
  CHECK(problem.y == y_before);

  Tape<float> tape;
  CHECK_THROWS(problem.backward(tape), "tape: expected");  // never filled
  problem.forward(tape);
  Problem<float> other(config, {}, 1000);
  CHECK_THROWS(other.backward(tape), "tape: expected");
  CHECK_THROWS(lstm.backward(tape, x_of(kBatch, kTime, 2), {}, {}, {}, problem.dparameters.data()),
               "dy: expected (4, 6, 3)");
  const SequenceView<const float> dy = contiguous<const float>(problem.dy.data(), kBatch, kTime, 3);
  CHECK_THROWS(lstm.backward(tape, dy, span(initial), {}, {}, problem.dparameters.data()),
               "dstate: expected");
  CHECK_THROWS(lstm.backward(tape, dy, {}, y_of(kBatch, kTime, 3), {}, problem.dparameters.data()),
               "dx: expected (4, 6, 2)");
  CHECK_THROWS(lstm.backward(tape, dy, {}, {}, span(final), problem.dparameters.data()),
               "dinitial: expected");
  problem.backward(tape);
  lstm.parameters().touch();
  CHECK_THROWS(problem.backward(tape), "tape: expected");
}

}  // namespace

int main() {
  forward_equals_the_oracle<double>();
  forward_equals_the_oracle<float>();
  gradient_equals_finite_differences();
  float_gradient_equals_double();
  chunks<double>();
  chunks<float>();
  strides();
  nothing_to_do();
  tapes();
  a_write_shows_in_the_next_call();
  several_threads_share_one_model();
  bad_arguments();
  return check::report();
}
