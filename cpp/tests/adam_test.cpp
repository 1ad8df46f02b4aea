#include "peephole/adam.hpp"

#include <limits>

#include "arrays.hpp"
#include "check.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

constexpr int kSteps = 200;
/// Values of about 1, moved by 200 steps of 1e-2, each rounded once or twice.
template <class T>
constexpr double kRounding = std::is_same_v<T, float> ? 1e-5 : 1e-13;

template <class T>
void equals_the_algorithm() {
  const std::vector<Index> sizes = {5, 0, 3};
  typename Adam<T>::Options options;
  options.learning_rate = 1e-2;
  options.beta1 = 0.8;
  options.beta2 = 0.95;
  options.epsilon = 1e-3;
  Adam<T> adam(sizes, options);

  Random random(1);
  std::vector<T> theta = random.values<T>(8);
  std::vector<double> expected(theta.begin(), theta.end()), m(8), v(8);
  for (int n = 1; n <= kSteps; ++n) {
    if (n == 100) {
      adam.set_learning_rate(3e-2);
      options.learning_rate = 3e-2;
    }
    std::vector<T> gradient = random.values<T>(8);
    gradient[4] = 0;  // as of a masked weight
    const std::vector<T*> parameters = {theta.data(), nullptr, theta.data() + 5};
    const std::vector<const T*> gradients = {gradient.data(), nullptr, gradient.data() + 5};
    adam.step(span(parameters), span(gradients));
    for (std::size_t j = 0; j < 8; ++j) {
      const double g = gradient[j];
      m[j] = options.beta1 * m[j] + (1 - options.beta1) * g;
      v[j] = options.beta2 * v[j] + (1 - options.beta2) * g * g;
      const double m_hat = m[j] / (1 - std::pow(options.beta1, n));
      const double v_hat = v[j] / (1 - std::pow(options.beta2, n));
      expected[j] -= options.learning_rate * m_hat / (std::sqrt(v_hat) + options.epsilon);
    }
  }
  CHECK(adam.steps() == kSteps);
  CHECK_CLOSE(adam.options().learning_rate, 3e-2, 0);
  for (std::size_t j = 0; j < 8; ++j) CHECK_CLOSE(theta[j], expected[j], kRounding<T>);
  Random again(1);
  CHECK(theta[4] == again.values<T>(8)[4]);  // has not moved
}

void bad_options() {
  const auto with = [](auto change) {
    Adam<float>::Options options;
    change(options);
    return Adam<float>({1}, options);
  };
  using Options = Adam<float>::Options;
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  for (double wrong : {-1.0, nan, inf}) {
    CHECK_THROWS(with([&](Options& o) { o.learning_rate = wrong; }), "learning_rate: expected");
  }
  for (double wrong : {-0.1, 1.0, nan}) {
    CHECK_THROWS(with([&](Options& o) { o.beta1 = wrong; }), "beta1: expected");
    CHECK_THROWS(with([&](Options& o) { o.beta2 = wrong; }), "beta2: expected");
  }
  for (double wrong : {-1.0, 0.0, nan, inf}) {
    CHECK_THROWS(with([&](Options& o) { o.epsilon = wrong; }), "epsilon: expected");
  }
  Adam<float> adam({1}, {});
  CHECK_THROWS(adam.set_learning_rate(nan), "learning_rate: expected");
  CHECK_CLOSE(adam.options().learning_rate, 1e-3, 0);
}

template <class T>
void clipping() {
  const std::vector<Index> sizes = {2, 1};
  std::vector<T> a = {3, 0}, b = {4};
  const std::vector<T*> gradients = {a.data(), b.data()};
  const auto clip = [&](double max_norm) {
    return clip_norm<T>(span(gradients), span(sizes), max_norm);
  };
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
  CHECK_CLOSE(clip_norm<float>(span(gradients), span(sizes), 1), 5e30, 1e-6);
  CHECK_CLOSE(g[0], 0.6, kRounding<float>);
  g = {3e-30f, 4e-30f};
  CHECK(std::abs(clip_norm<float>(span(gradients), span(sizes), 1) - 5e-30) < 1e-35);
}

}  // namespace

int main() {
  equals_the_algorithm<float>();
  equals_the_algorithm<double>();
  bad_options();
  clipping<float>();
  clipping<double>();
  clipping_of_extremes();
  return check::report();
}
