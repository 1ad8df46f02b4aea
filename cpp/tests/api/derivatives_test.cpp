// jvp and backward_jvp against finite differences of forward and backward.

#include <algorithm>

#include "api/lstm_problem.hpp"
#include "peephole/lstm.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

/// Central differences in double, of gradients: see lstm_gradients_test.cpp.
constexpr double kStep = 1e-5;
constexpr double kDifferences = 1e-6;

/// A direction in which everything moves.
template <class T>
struct Direction {
  std::vector<T> x, parameters, dy;
  States<T> initial, dfinal;

  explicit Direction(Problem<T>& problem)
      : x(problem.random.template values<T>(static_cast<Index>(problem.x.size()))),
        parameters(at(problem.lstm.parameters().flat_size())),
        dy(problem.random.template values<T>(static_cast<Index>(problem.dy.size()))),
        initial(problem.config, kBatch, problem.random),
        dfinal(problem.config, kBatch, problem.random) {
    const Parameters<T>& of = problem.lstm.parameters();
    for (Index i = 0; i < static_cast<Index>(of.specs().size()); ++i) {
      const auto values = problem.random.template values<T>(of.specs()[at(i)].size());
      std::copy(values.begin(), values.end(), parameters.begin() + of.offset(i));
    }
  }
};

/// All results of both passes, one after the other.
struct Results {
  std::vector<double> values;

  template <class T>
  void add(const std::vector<T>& array) {
    values.insert(values.end(), array.begin(), array.end());
  }
  template <class T>
  void add(const States<T>& states) {
    for (const auto& array : states.h) add(array);
    for (const auto& array : states.c) add(array);
  }
};

template <class T>
Results results_of(const Problem<T>& problem) {
  Results results;
  results.add(problem.y);
  results.add(problem.final);
  results.add(problem.dx);
  results.add(problem.dinitial);
  results.add(problem.dparameters);
  return results;
}

template <class T>
void move(std::vector<T>& values, const std::vector<T>& direction, double step) {
  for (std::size_t j = 0; j < values.size(); ++j) {
    values[j] += static_cast<T>(step) * direction[j];
  }
}

void move(Problem<double>& problem, const Direction<double>& direction, double step) {
  move(problem.x, direction.x, step);
  move(problem.dy, direction.dy, step);
  for (std::size_t k = 0; k < problem.initial.h.size(); ++k) {
    move(problem.initial.h[k], direction.initial.h[k], step);
    move(problem.initial.c[k], direction.initial.c[k], step);
    move(problem.dfinal.h[k], direction.dfinal.h[k], step);
    move(problem.dfinal.c[k], direction.dfinal.c[k], step);
  }
  Parameters<double>& parameters = problem.lstm.parameters();
  auto writer = parameters.write();
  for (Index i = 0; i < static_cast<Index>(parameters.specs().size()); ++i) {
    for (Index j = 0; j < parameters.specs()[at(i)].size(); ++j) {
      writer.data(i)[j] += step * direction.parameters[at(parameters.offset(i) + j)];
    }
  }
}

Results run(Problem<double>& problem) {
  Tape<double> tape;
  problem.forward(tape);
  problem.backward(tape);
  return results_of(problem);
}

/// The derivatives of all results; the values are those of forward and backward.
template <class T>
Results derivatives_of(Problem<T>& problem, const Direction<T>& direction) {
  Tape<T> tape;
  problem.forward(tape);
  problem.backward(tape);
  const Results expected = results_of(problem);
  Problem<T> values(problem.config, problem.lengths, 1), moved(problem.config, problem.lengths, 1);
  const auto initial = direction.initial.const_views(), from = problem.dfinal.const_views(),
             dfrom = direction.dfinal.const_views();
  const auto results = [&](Problem<T>& into, const auto& final, const auto& dinitial) {
    return PassResults<T>{{into.y_view(), final},
                          into.dparameters,
                          {contiguous(into.dx.data(), kBatch, kTime, into.I), dinitial}};
  };
  const auto dy = [&](const std::vector<T>& array) {
    return contiguous<const T>(array.data(), kBatch, kTime, problem.F);
  };
  const Tangents<T> tangents{contiguous<const T>(direction.x.data(), kBatch, kTime, problem.I),
                             initial, direction.parameters};
  const auto final = values.final.views(), dinitial = values.dinitial.views(),
             moved_final = moved.final.views(), moved_dinitial = moved.dinitial.views();
  problem.lstm.backward_jvp(tape, Gradient<T>::of_y(dy(problem.dy), from), tangents,
                            Gradient<T>::of_y(dy(direction.dy), dfrom),
                            results(values, final, dinitial),
                            results(moved, moved_final, moved_dinitial));
  const Results found = results_of(values);
  for (std::size_t j = 0; j < expected.values.size(); ++j) {
    CHECK_CLOSE(found.values[j], expected.values[j], kRounding<T>);
  }

  // The same by jvp, bit for bit.
  const std::vector<T> y = moved.y;
  const auto start = problem.initial.const_views();
  std::fill(moved.y.begin(), moved.y.end(), T{7});
  problem.lstm.jvp({problem.x_view(), problem.lengths, start}, tangents, {},
                   {moved.y_view(), moved_final});
  CHECK(moved.y == y);
  return results_of(moved);
}

void derivatives_equal_finite_differences() {
  for_each_config([](const LSTMConfig& config, int number) {
    Problem<double> problem(config, number % 4 < 2 ? kRagged : std::vector<Index>{}, 400);
    Parameters<double>& parameters = problem.lstm.parameters();
    if (number % 6 == 5) thin_out(parameters, parameters.find("weight_hh_l1"), problem.random);
    const Direction<double> direction(problem);
    const Results exact = derivatives_of(problem, direction);
    move(problem, direction, kStep);
    const Results above = run(problem);
    move(problem, direction, -2 * kStep);
    const Results below = run(problem);
    for (std::size_t j = 0; j < exact.values.size(); ++j) {
      const double slope = (above.values[j] - below.values[j]) / (2 * kStep);
      CHECK_CLOSE(exact.values[j], slope, kDifferences);
    }
  });
}

/// float models compute in double, and round at the end.
void float_equals_double() {
  for_each_config([](const LSTMConfig& config, int) {
    Problem<float> single(config, {}, 500);
    Problem<double> problem(config, {}, 500);
    Direction<float> of_single(single);
    Direction<double> direction(problem);
    // The same random numbers, of which float rounds some.
    const Results found = derivatives_of(single, of_single);
    const Results expected = derivatives_of(problem, direction);
    const std::size_t results_but_parameters = single.y.size() + single.dx.size();
    for (std::size_t j = 0; j < results_but_parameters; ++j) {
      CHECK_CLOSE(found.values[j], expected.values[j], 100 * kRounding<float>);
    }
  });
}

void refuses_what_does_not_fit() {
  Problem<double> problem(one_layer(2, 3), {}, 1);
  Tape<double> tape, empty;
  problem.forward(tape);
  const Direction<double> direction(problem);
  const auto gradient =
      Gradient<double>::of_y(contiguous<const double>(problem.dy.data(), kBatch, kTime, 3));
  const Call<double> call{problem.x_view()};
  const auto refused = [&](const Tangents<double>& tangents, const char* message) {
    CHECK_THROWS(problem.lstm.jvp(call, tangents, {}, {}), message);
    CHECK_THROWS(problem.lstm.backward_jvp(tape, gradient, tangents, {}, {}, {}), message);
  };
  refused({contiguous<const double>(direction.x.data(), kBatch, kTime, 1)}, "tangents.x");
  refused({{}, {}, {direction.parameters.data(), 7}}, "tangents.parameters");
  const auto states = direction.initial.const_views();
  refused({{}, {states.data(), 2}}, "tangents.state");
  const auto call_with = [&](const PassResults<double>& derivatives) {
    problem.lstm.backward_jvp(tape, gradient, {}, {}, {}, derivatives);
  };
  CHECK_THROWS(call_with({{contiguous(problem.y.data(), kBatch, kTime, 2)}, {}, {}}),
               "derivatives.y");
  CHECK_THROWS(call_with({{{}, {}, problem.y_view()}, {}, {}}), "derivatives.logits");
  CHECK_THROWS(call_with({{}, {problem.y.data(), 3}, {}}), "derivatives.dparameters");
  CHECK_THROWS(call_with({{}, {}, {contiguous(problem.dx.data(), kBatch, kTime, 3), {}}}),
               "derivatives.dx");
  const auto logits = Gradient<double>::of_logits(gradient.outputs());
  CHECK_THROWS(problem.lstm.backward_jvp(tape, logits, {}, {}, {}, {}), "gradient");
  CHECK_THROWS(problem.lstm.backward_jvp(tape, gradient, {}, logits, {}, {}), "gradient_tangent");
  CHECK_THROWS(problem.lstm.backward_jvp(empty, gradient, {}, {}, {}, {}), "tape");
}

}  // namespace

int main() {
  derivatives_equal_finite_differences();
  float_equals_double();
  refuses_what_does_not_fit();
  return check::report();
}
