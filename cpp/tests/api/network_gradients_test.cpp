// The gradients of networks against finite differences of their own outputs.

#include <vector>

#include "api/network_problem.hpp"
#include "peephole/options.hpp"
#include "support/check.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

/// Central differences in double: a step of 1e-5 leaves 1e-10 of truncation and 1e-11 of rounding.
constexpr double kStep = 1e-5;
constexpr double kDifferences = 1e-7;

/// <gradient, y or logits> + <dfinal, final>.
double loss(Problem<double>& problem, bool of_logits) {
  Tape<double> tape;
  problem.forward(tape);
  const auto& of_what = of_logits ? problem.logits : problem.y;
  double sum = 0;
  for (std::size_t j = 0; j < of_what.size(); ++j) sum += problem.gradient[j] * of_what[j];
  for (std::size_t i = 0; i < problem.final.h.size(); ++i) {
    for (std::size_t j = 0; j < problem.final.h[i].size(); ++j) {
      sum += problem.dfinal.h[i][j] * problem.final.h[i][j] +
             problem.dfinal.c[i][j] * problem.final.c[i][j];
    }
  }
  return sum;
}

void gradient_equals_finite_differences(const NetworkConfig& config) {
  for (bool of_logits : {false, true}) {
    Problem<double> problem(config);
    Tape<double> tape;
    problem.forward(tape);
    problem.backward(tape, of_logits);
    Parameters<double>& parameters = problem.network.parameters();
    const auto check_slope = [&](double& value, double gradient) {
      const double before = value;
      const auto loss_at = [&](double moved) {
        value = moved;
        return loss(problem, of_logits);
      };
      const double slope = (loss_at(before + kStep) - loss_at(before - kStep)) / (2 * kStep);
      loss_at(before);
      CHECK_CLOSE(gradient, slope, kDifferences);
    };
    for (std::size_t j = 0; j < problem.x.size(); ++j) check_slope(problem.x[j], problem.dx[j]);
    for (std::size_t i = 0; i < problem.initial.h.size(); ++i) {
      for (std::size_t j = 0; j < problem.initial.h[i].size(); ++j) {
        check_slope(problem.initial.h[i][j], problem.dinitial.h[i][j]);
        check_slope(problem.initial.c[i][j], problem.dinitial.c[i][j]);
      }
    }
    auto writer = parameters.write();
    for (Index i = 0; i < static_cast<Index>(parameters.specs().size()); ++i) {
      for (Index j = 0; j < parameters.specs()[at(i)].size(); ++j) {
        const Index k = parameters.offset(i) + j;
        check_slope(writer.data(i)[j], problem.dparameters[at(k)]);
      }
    }
  }
}

/// A dense layer before the stack, of `activation`.
NetworkConfig with_dense_input(Activation activation) {
  NetworkConfig config = config_of(HeadActivation::tanh, Readout::all);
  config.input_dense_size = 4;
  config.input_activation = activation;
  return config;
}

}  // namespace

int main() {
  for_each_config(&gradient_equals_finite_differences);
  for (const Name<Activation>& name : names<Activation>()) {
    gradient_equals_finite_differences(with_dense_input(name.value));
  }
  return check::report();
}
