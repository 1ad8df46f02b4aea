#include <algorithm>

#include "api/lstm_problem.hpp"
#include "peephole/lstm.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

/// Central differences in double: a step of 1e-5 leaves 1e-10 of truncation and 1e-11 of rounding.
constexpr double kStep = 1e-5;
constexpr double kDifferences = 1e-7;

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
        auto writer = parameters.write();
        double& value = writer.data(i)[j];
        const double before = value;
        const auto loss_at = [&](double moved) {
          value = moved;
          return problem.loss();
        };
        const double slope = (loss_at(before + kStep) - loss_at(before - kStep)) / (2 * kStep);
        loss_at(before);
        CHECK_CLOSE(problem.dparameters[at(k)], slope, kDifferences);
      }
    }
  });
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

}  // namespace

int main() {
  gradient_equals_finite_differences();
  float_gradient_equals_double();
  return check::report();
}
