#include "peephole/network.hpp"

#include <algorithm>
#include <limits>

#include "api/network_problem.hpp"
#include "support/check.hpp"
#include "support/oracle.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

/// Against the oracle: a few roundings per term, sums of some ten terms.
template <class T>
constexpr double kRounding = std::is_same_v<T, float> ? 1e-5 : 1e-13;

/// What the head reads of h (T, F), of a sequence with at least one step, at step s of y.
Row features_of(const NetworkConfig& config, const std::vector<Row>& h, Index s) {
  Row read = h[at(config.readout == Readout::all ? s : 0)];
  const std::size_t half = read.size() / 2;  // of two directions
  for (std::size_t k = 0; k < read.size(); ++k) {
    if (config.readout == Readout::last) read[k] = k < half ? h.back()[k] : h.front()[k];
    if (config.readout == Readout::all || config.readout == Readout::last) continue;
    double sum = 0, most = h[0][k];
    for (const Row& row : h) {
      sum += row[k];
      most = std::max(most, row[k]);
    }
    read[k] = config.readout == Readout::max ? most : sum / static_cast<double>(h.size());
  }
  return read;
}

Row apply_head(HeadActivation head, Row logits) {
  double sum = 0;
  for (double& s : logits) {
    switch (head) {
      case HeadActivation::identity: break;
      case HeadActivation::sigmoid: s = activate(Activation::sigmoid, s); break;
      case HeadActivation::tanh: s = std::tanh(s); break;
      case HeadActivation::softmax: s = std::exp(s); break;
    }
    sum += s;
  }
  if (head == HeadActivation::softmax) {
    for (double& s : logits) s /= sum;
  }
  return logits;
}

template <class T>
void forward_equals_the_oracle() {
  for_each_config([](const NetworkConfig& config) {
    Problem<T> problem(config);
    problem.infer();
    const std::vector<T> inferred = problem.y;
    Tape<T> tape;
    problem.forward(tape);
    CHECK(problem.y == inferred);
    CHECK(tape.batch() == kBatch);
    CHECK(tape.time() == kTime);
    CHECK(tape.bytes() > 0);

    const Row V = parameter(problem.network.parameters(), "head.weight");
    const Row v = parameter(problem.network.parameters(), "head.bias");
    for (Index b = 0; b < kBatch; ++b) {
      std::vector<OracleState> states = states_of(problem.initial, config.lstm, b);
      const std::vector<Row> h =
          stack(config.lstm, problem.network.parameters(),
                sequence(problem.x, b, kTime, problem.I, kLengths[at(b)]), states);
      const auto y = sequence(problem.y, b, problem.steps, problem.O, problem.steps);
      const auto logits = sequence(problem.logits, b, problem.steps, problem.O, problem.steps);
      for (Index s = 0; s < problem.steps; ++s) {
        Row expected(at(problem.O)), expected_y(at(problem.O));
        if (problem.read(b, s)) {
          const Row features = features_of(config, h, s);
          for (std::size_t n = 0; n < expected.size(); ++n) {
            expected[n] = v[n];
            for (std::size_t m = 0; m < features.size(); ++m) {
              expected[n] += V[n * features.size() + m] * features[m];
            }
          }
          expected_y = apply_head(config.head, expected);
        }
        const double tolerance = problem.read(b, s) ? kRounding<T> : 0;
        for (std::size_t n = 0; n < expected.size(); ++n) {
          CHECK_CLOSE(logits[at(s)][n], expected[n], tolerance);
          CHECK_CLOSE(y[at(s)][n], expected_y[n], tolerance);
        }
      }
      const std::vector<OracleState> final = states_of(problem.final, config.lstm, b);
      for (std::size_t i = 0; i < states.size(); ++i) {
        for (std::size_t n = 0; n < states[i].h.size(); ++n) {
          CHECK_CLOSE(final[i].h[n], states[i].h[n], kRounding<T>);
          CHECK_CLOSE(final[i].c[n], states[i].c[n], kRounding<T>);
        }
      }
    }
  });
}

/// Softmax of logits far apart neither overflows nor loses its sum.
void softmax_of_extremes() {
  NetworkConfig config = config_of(HeadActivation::softmax, Readout::last);
  Problem<float> problem(config);
  const std::vector<float> bias = {1000, -1000, 999};
  problem.network.parameters().assign(problem.network.parameters().find("head.bias"), bias.data());
  problem.infer();
  const float sum = problem.y[0] + problem.y[1] + problem.y[2];
  CHECK_CLOSE(sum, 1, kRounding<float>);
  CHECK(problem.y[0] > problem.y[2] && problem.y[1] == 0);
}

void the_stack_inside_shares_the_parameters() {
  Problem<double> problem(config_of(HeadActivation::tanh, Readout::all));
  Network<double> moved = std::move(problem.network);
  const std::shared_ptr<LSTM<double>> lstm = moved.lstm();
  CHECK(&lstm->parameters() == &moved.parameters());
  CHECK(lstm->parameters().data(0) == moved.parameters().data(0));
  CHECK(lstm->config().hidden_sizes == problem.config.lstm.hidden_sizes);
}

/// A NaN stays in mean and max, and takes the gradient of max; a largest value that stands at
/// several steps gives it to the first.
void nan_and_ties() {
  NetworkConfig config = config_of(HeadActivation::identity, Readout::max);
  config.lstm.bidirectional = false;
  config.lstm.hidden_sizes = {2};
  config.lstm.activations = {{Activation::one, Activation::one, Activation::one, Activation::one,
                              Activation::hard_sigmoid}};  // c_t = t + 1, h_t = min(1, ...)
  config.output_size = 2;
  Network<double> network(config, uninitialised);
  const double identity[4] = {1, 0, 0, 1};
  network.parameters().assign(network.parameters().find("head.weight"), identity);
  const std::vector<double> x(at(1 * kTime * 2));
  std::vector<double> y(2), dx(x.size()), dparameters(at(network.parameters().flat_size()));
  Tape<double> tape;
  network.forward({contiguous(x.data(), 1, kTime, 2)}, {contiguous(y.data(), 1, 1, 2)}, tape);
  // hard_sigmoid(0.2 c + 0.5) of c = 1, 2, 3, 4: 0.7, 0.9, 1, 1.
  CHECK_CLOSE(y[0], 1, 1e-12);
  const double dy[2] = {1, 1};
  network.backward(tape, Gradient<double>::of_y(contiguous<const double>(dy, 1, 1, 2)), dparameters,
                   {contiguous(dx.data(), 1, kTime, 2)});

  const double nan = std::nan("");
  for (Readout readout : {Readout::mean, Readout::max, Readout::last}) {
    Problem<float> problem(config_of(HeadActivation::tanh, readout));
    problem.x[0] = static_cast<float>(nan);  // of sequence 0 alone
    problem.infer();
    const auto row = [&](Index b) { return problem.y.begin() + b * problem.O; };
    CHECK(std::all_of(row(0), row(1), [](float v) { return std::isnan(v); }));
    CHECK(std::none_of(row(1), row(3), [](float v) { return std::isnan(v); }));
  }
}

void bad_arguments() {
  const NetworkConfig config = config_of(HeadActivation::softmax, Readout::last);
  NetworkConfig wrong = config;
  wrong.output_size = 0;
  CHECK_THROWS(Network<float>(wrong, 0), "output_size: expected");

  Problem<float> problem(config);
  Network<float>& network = problem.network;
  const auto x = problem.x_view();
  const auto y = problem.outputs(problem.y);
  const std::vector<float> y_before = problem.y;
  CHECK_THROWS(network.infer({contiguous<const float>(problem.x.data(), kBatch, kTime, 1)}, {y}),
               "x: expected (batch, time, 2), got (3, 4, 1)");
  CHECK_THROWS(network.infer({x}, {contiguous(problem.dx.data(), kBatch, kTime, 3)}),
               "y: expected (3, 1, 3), got (3, 4, 3)");
  const std::vector<Index> lengths = {1, 2, 5};
  CHECK_THROWS(network.infer({x, lengths}, {y}), "lengths: expected");
  Tape<float> tape;
  CHECK_THROWS(network.forward({x}, {y, {}, contiguous(problem.dx.data(), kBatch, 1, 2)}, tape),
               "logits: expected (3, 1, 3)");
  CHECK(problem.y == y_before);

  CHECK_THROWS(problem.backward(tape, false), "tape: expected");
  problem.forward(tape);
  using Of = Gradient<float>;
  const auto gradient = contiguous<const float>(problem.gradient.data(), kBatch, 1, 2);
  CHECK_THROWS(network.backward(tape, Of::of_y(gradient), problem.dparameters),
               "dy: expected (3, 1, 3)");
  CHECK_THROWS(network.backward(tape, Of::of_logits(gradient), problem.dparameters),
               "dlogits: expected (3, 1, 3)");
  Problem<float> other(config);
  CHECK_THROWS(other.backward(tape, false), "tape: expected");

  // The tapes of a network and of the stack inside are not each other's.
  const auto h = contiguous<const float>(problem.dx.data(), kBatch, kTime, 4);
  CHECK_THROWS(network.lstm()->backward(tape, Of::of_y(h), problem.dparameters), "tape: expected");
  std::vector<float> top(at(kBatch * kTime * 4));
  Tape<float> of_stack;
  network.lstm()->forward({x}, {contiguous(top.data(), kBatch, kTime, 4)}, of_stack);
  CHECK_THROWS(problem.backward(of_stack, false), "tape: expected");
  network.parameters().write().data(0)[0] += 1;
  CHECK_THROWS(problem.backward(tape, false), "tape: expected");
}

}  // namespace

int main() {
  forward_equals_the_oracle<double>();
  forward_equals_the_oracle<float>();
  softmax_of_extremes();
  the_stack_inside_shares_the_parameters();
  nan_and_ties();
  bad_arguments();
  return check::report();
}
