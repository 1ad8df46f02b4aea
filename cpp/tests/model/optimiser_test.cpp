#include "peephole/optimiser.hpp"

#include <algorithm>
#include <limits>

#include "support/arrays.hpp"
#include "support/check.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

constexpr int kSteps = 200;
/// Values of about 1, moved by 200 steps of 1e-2, each rounded once or twice.
template <class T>
constexpr double kRounding = std::is_same_v<T, float> ? 1e-5 : 1e-13;

/// One value of an array with or without decay, moved by the equations of optimiser.hpp.
struct Value {
  double theta = 0, m = 0, v = 0, a = 0, b = 0;

  void step(const OptimiserRule& rule, double rate, int n, bool decays, double g) {
    if (const auto* adam = std::get_if<Adam>(&rule)) {
      if (decays) g += adam->weight_decay * theta;
      move_adam(*adam, rate, n, g);
    } else if (const auto* adamw = std::get_if<AdamW>(&rule)) {
      if (decays) theta *= 1 - rate * adamw->weight_decay;
      move_adam(*adamw, rate, n, g);
    } else if (const auto* sgd = std::get_if<SGD>(&rule)) {
      if (decays) g += sgd->weight_decay * theta;
      b = sgd->momentum * b + g;
      theta -= rate * (sgd->nesterov ? g + sgd->momentum * b : b);
    } else if (const auto* rms = std::get_if<RMSprop>(&rule)) {
      if (decays) g += rms->weight_decay * theta;
      v = rms->rho * v + (1 - rms->rho) * g * g;
      if (rms->centred) a = rms->rho * a + (1 - rms->rho) * g;
      b = rms->momentum * b + g / (std::sqrt(v - a * a) + rms->epsilon);
      theta -= rate * b;
    }
  }

  template <class AnyAdam>
  void move_adam(const AnyAdam& rule, double rate, int n, double g) {
    m = rule.beta1 * m + (1 - rule.beta1) * g;
    v = rule.beta2 * v + (1 - rule.beta2) * g * g;
    const double m_hat = m / (1 - std::pow(rule.beta1, n));
    const double v_hat = v / (1 - std::pow(rule.beta2, n));
    theta -= rate * m_hat / (std::sqrt(v_hat) + rule.epsilon);
  }
};

const OptimiserRule kRules[] = {
    Adam{},
    Adam{0.8, 0.95, 1e-3, 0.1},
    AdamW{},
    AdamW{0.8, 0.95, 1e-3, 0.5},
    SGD{},
    SGD{0.9, false, 0.1},
    SGD{0.9, true, 0.1},
    RMSprop{},
    RMSprop{0.9, 1e-3, 0, false, 0.1},
    RMSprop{0.9, 1e-3, 0.5, true, 0.1},
};

/// A weight of 5 values, the last one masked, and a bias of 3, on which no decay acts.
const std::vector<ParameterSpec> kSpecs = {{"weight", 1, 5}, {"bias", 3, 0}};

template <class T>
struct Model {
  Parameters<T> parameters{kSpecs};

  explicit Model(const std::vector<T>& theta) {
    const bool connected[5] = {true, true, true, true, false};
    parameters.mask(0, connected);
    parameters.assign(0, theta.data());
    parameters.assign(1, theta.data() + 5);
  }
  T theta(std::size_t j) const { return j < 5 ? parameters.data(0)[j] : parameters.data(1)[j - 5]; }
  std::vector<T> flat(const std::vector<T>& values) const {
    std::vector<T> all(at(parameters.flat_size()), T{0});
    std::copy_n(values.begin(), 5, all.begin() + parameters.offset(0));
    std::copy_n(values.begin() + 5, 3, all.begin() + parameters.offset(1));
    return all;
  }
};

template <class T>
void equals_the_equations() {
  for (const OptimiserRule& rule : kRules) {
    double rate = 1e-2;
    Random random(1);
    std::vector<T> theta = random.values<T>(8);
    Model<T> model(theta);
    Optimiser<T> optimiser(model.parameters, rule, rate);
    std::vector<Value> expected(8);
    for (std::size_t j = 0; j < 8; ++j) expected[j].theta = j == 4 ? 0 : theta[j];
    for (int n = 1; n <= kSteps; ++n) {
      if (n == kSteps / 2) optimiser.set_learning_rate(rate = 2e-2);
      std::vector<T> gradient = random.values<T>(8);
      gradient[4] = 0;
      if (n % 2 == 0) {
        optimiser.step(model.flat(gradient));
      } else {
        const std::vector<const T*> tensors = {gradient.data(), gradient.data() + 5};
        optimiser.step(tensors);
      }
      for (std::size_t j = 0; j < 8; ++j) expected[j].step(rule, rate, n, j < 5, gradient[j]);
    }
    CHECK(optimiser.steps() == kSteps);
    CHECK_CLOSE(optimiser.learning_rate(), 2e-2, 0);
    CHECK(optimiser.rule().index() == rule.index());
    for (std::size_t j = 0; j < 8; ++j) {
      CHECK_CLOSE(model.theta(j), expected[j].theta, kRounding<T>);
    }
    CHECK(model.theta(4) == 0);
  }
}

/// With the state, the steps and the learning rate of another one, an optimiser goes on as it.
void goes_on() {
  for (const OptimiserRule& rule : kRules) {
    Random random(2);
    Model<double> model(random.values<double>(8));
    Optimiser<double> first(model.parameters, rule, 1e-2);
    for (int n = 0; n < 3; ++n) first.step(model.flat(random.values<double>(8)));
    std::vector<double> theta;
    for (std::size_t j = 0; j < 8; ++j) theta.push_back(model.theta(j));
    Model<double> twin(theta);
    Optimiser<double> second(twin.parameters, rule, 1.0);
    second.set_learning_rate(first.learning_rate());
    second.set_steps(first.steps());
    CHECK(first.state_names() == second.state_names());
    for (Index k = 0; k < static_cast<Index>(first.state_names().size()); ++k) {
      for (Index i = 0; i < 2; ++i) {
        CHECK(first.state(k, i).size == kSpecs[at(i)].size());
        std::copy_n(first.state(k, i).data, kSpecs[at(i)].size(), second.state(k, i).data);
      }
    }
    const std::vector<double> gradient = model.flat(random.values<double>(8));
    first.step(gradient);
    second.step(gradient);
    for (std::size_t j = 0; j < 8; ++j) CHECK(model.theta(j) == twin.theta(j));
  }
}

/// Of a network, its LSTM alone; masked weights stay 0 though their gradient is not.
void some_tensors() {
  Random random(3);
  Model<float> model(random.values<float>(8));
  const float before = model.theta(5), weight = model.theta(0);
  Optimiser<float> optimiser(model.parameters, SGD{}, 0.1, /*count=*/1);
  CHECK(optimiser.count() == 1);
  optimiser.step(model.flat(std::vector<float>(8, 1.0f)));
  CHECK(model.theta(5) == before);
  CHECK(model.theta(0) != weight);
  CHECK(model.theta(4) == 0);
  CHECK_THROWS(optimiser.step(std::vector<float>(8)), "gradients: expected (32,), got (8,)");
  CHECK_THROWS(optimiser.step(std::vector<const float*>(2)), "gradients: expected 1, one per");
  CHECK_THROWS(Optimiser<float>(model.parameters, SGD{}, 0.1, 3), "count: expected at most");
  CHECK(optimiser.steps() == 1);
}

void bad_options() {
  Parameters<float> parameters(kSpecs);
  const auto make = [&](const OptimiserRule& rule) {
    return Optimiser<float>(parameters, rule, 1e-3);
  };
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  for (double wrong : {-1.0, nan, inf}) {
    CHECK_THROWS(Optimiser<float>(parameters, Adam{}, wrong), "learning_rate: expected");
    CHECK_THROWS(make(Adam{0.9, 0.9, 1e-8, wrong}), "weight_decay: expected");
    CHECK_THROWS(make(AdamW{0.9, 0.9, 1e-8, wrong}), "weight_decay: expected");
    CHECK_THROWS(make(SGD{0.9, false, wrong}), "weight_decay: expected");
    CHECK_THROWS(make(RMSprop{0.9, 1e-8, 0, false, wrong}), "weight_decay: expected");
  }
  for (double wrong : {-0.1, 1.0, nan}) {
    CHECK_THROWS(make(Adam{wrong}), "beta1: expected");
    CHECK_THROWS(make(AdamW{0.9, wrong}), "beta2: expected");
    CHECK_THROWS(make(SGD{wrong}), "momentum: expected");
    CHECK_THROWS(make(RMSprop{wrong}), "rho: expected");
    CHECK_THROWS(make(RMSprop{0.9, 1e-8, wrong}), "momentum: expected");
  }
  for (double wrong : {-1.0, 0.0, nan, inf}) {
    CHECK_THROWS(make(Adam{0.9, 0.9, wrong}), "epsilon: expected");
    CHECK_THROWS(make(RMSprop{0.9, wrong}), "epsilon: expected");
  }
  CHECK_THROWS(make(SGD{0, true}), "momentum: expected a number in (0, 1) with nesterov");
  Optimiser<float> optimiser = make(Adam{});
  CHECK_THROWS(optimiser.set_learning_rate(nan), "learning_rate: expected");
  CHECK_THROWS(optimiser.set_steps(-1), "steps: expected");
  CHECK_CLOSE(optimiser.learning_rate(), 1e-3, 0);
  CHECK(optimiser.steps() == 0);
}

template <class T>
void clipping() {
  const std::vector<Index> sizes = {2, 1};
  std::vector<T> a = {3, 0}, b = {4};
  const std::vector<T*> gradients = {a.data(), b.data()};
  const auto clip = [&](double max_norm) { return clip_norm<T>(gradients, sizes, max_norm); };
  CHECK_CLOSE(clip(6), 5, kRounding<T>);
  CHECK(a[0] == 3 && b[0] == 4);
  CHECK_CLOSE(clip(1), 5, kRounding<T>);
  CHECK_CLOSE(a[0], 0.6, kRounding<T>);
  CHECK(a[1] == 0);
  CHECK_CLOSE(b[0], 0.8, kRounding<T>);
  CHECK_CLOSE(clip(1), 1, kRounding<T>);

  b[0] = std::numeric_limits<T>::infinity();
  const T before = a[0];
  CHECK(std::isinf(clip(1)));
  CHECK(a[0] == before);
  b[0] = std::numeric_limits<T>::quiet_NaN();
  CHECK(std::isnan(clip(1)));
  CHECK(a[0] == before);
}

/// Squares that overflow or vanish in float do not in the norm.
void clipping_of_extremes() {
  const std::vector<Index> sizes = {2};
  std::vector<float> g = {3e30f, 4e30f};
  const std::vector<float*> gradients = {g.data()};
  CHECK_CLOSE(clip_norm<float>(gradients, sizes, 1), 5e30, 1e-6);
  CHECK_CLOSE(g[0], 0.6, kRounding<float>);
  g = {3e-30f, 4e-30f};
  CHECK(std::abs(clip_norm<float>(gradients, sizes, 1) - 5e-30) < 1e-35);
}

void clipping_by_value() {
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  const std::vector<Index> sizes = {3, 2};
  std::vector<double> a = {-3, 0.5, 1}, b = {inf, nan};
  const std::vector<double*> gradients = {a.data(), b.data()};
  clip_value<double>(gradients, sizes, 0.75);
  CHECK(a == (std::vector<double>{-0.75, 0.5, 0.75}));
  CHECK(b[0] == 0.75);
  CHECK(std::isnan(b[1]));

  std::vector<double> flat = {-3, 4};
  CHECK_CLOSE(clip_norm(flat, 1), 5, kRounding<double>);
  CHECK_CLOSE(flat[1], 0.8, kRounding<double>);
  clip_value(flat, 0.7);
  CHECK(flat[1] == 0.7);
}

}  // namespace

int main() {
  equals_the_equations<float>();
  equals_the_equations<double>();
  goes_on();
  some_tensors();
  bad_options();
  clipping<float>();
  clipping<double>();
  clipping_of_extremes();
  clipping_by_value();
  return check::report();
}
