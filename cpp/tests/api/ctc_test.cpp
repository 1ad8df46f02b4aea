#include "peephole/ctc.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "peephole/runtime.hpp"
#include "support/arrays.hpp"
#include "support/check.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

/// What a path stands for: without repetitions and blanks.
std::vector<Index> read(const std::vector<Index>& path, Index blank) {
  std::vector<Index> labels;
  for (std::size_t t = 0; t < path.size(); ++t) {
    if (path[t] != blank && (t == 0 || path[t] != path[t - 1])) labels.push_back(path[t]);
  }
  return labels;
}

/// The loss and its gradient over all paths, one by one.
double over_all_paths(const std::vector<double>& z, Index T, Index O,
                      const std::vector<Index>& labels, Index blank,
                      std::vector<double>& gradient) {
  std::vector<double> y(z.size());
  for (Index t = 0; t < T; ++t) {
    double sum = 0;
    for (Index k = 0; k < O; ++k) sum += std::exp(z[at(t * O + k)]);
    for (Index k = 0; k < O; ++k) y[at(t * O + k)] = std::exp(z[at(t * O + k)]) / sum;
  }
  Index paths = 1;
  for (Index t = 0; t < T; ++t) paths *= O;
  double total = 0;
  std::vector<double> occupied(z.size());
  for (Index number = 0; number < paths; ++number) {
    std::vector<Index> path;
    double p = 1;
    for (Index t = 0, rest = number; t < T; ++t, rest /= O) {
      path.push_back(rest % O);
      p *= y[at(t * O + rest % O)];
    }
    if (read(path, blank) != labels) continue;
    total += p;
    for (Index t = 0; t < T; ++t) occupied[at(t * O + path[at(t)])] += p;
  }
  gradient.resize(z.size());
  for (std::size_t i = 0; i < z.size(); ++i) gradient[i] = y[i] - occupied[i] / total;
  return -std::log(total);
}

template <class T>
void check_over_all_paths(double tolerance) {
  constexpr Index kSteps = 5, kOutputs = 3;
  Random random(1);
  const std::vector<std::vector<Index>> targets = {{},     {1},       {1, 2},
                                                   {2, 2}, {1, 1, 2}, {1, 2, 1, 2}};
  for (const auto& labels : targets) {
    const auto z = random.values<T>(kSteps * kOutputs, -2, 2);
    std::vector<double> expected;
    const double loss = over_all_paths({z.begin(), z.end()}, kSteps, kOutputs, labels, 0, expected);
    std::vector<T> gradient(z.size(), T(7));
    double got = 0;
    const Index count = static_cast<Index>(labels.size());
    ctc<T>(contiguous(z.data(), 1, kSteps, kOutputs), {}, {labels, {&count, 1}}, 0, {&got, 1},
           contiguous(gradient.data(), 1, kSteps, kOutputs));
    CHECK_CLOSE(got, loss, tolerance);
    for (std::size_t i = 0; i < z.size(); ++i) CHECK_CLOSE(gradient[i], expected[i], tolerance);
  }
}

/// Ragged sequences: the same bits on any number of threads, and nothing beyond a length.
void check_batch() {
  constexpr Index B = 40, T = 30, O = 6;
  Random random(2);
  const auto z = random.values<float>(B * T * O, -3, 3);
  std::vector<Index> lengths, counts, labels;
  for (Index b = 0; b < B; ++b) {
    lengths.push_back(b % (T + 1));
    counts.push_back(lengths.back() / 3);
    for (Index s = 0; s < counts.back(); ++s) labels.push_back(1 + (b + 2 * s) % (O - 1));
  }
  std::vector<std::vector<float>> gradients;
  std::vector<std::vector<double>> losses;
  for (const int threads : {1, 2, 5}) {
    set_num_threads(threads);
    gradients.emplace_back(z.size(), 7.0f);
    losses.emplace_back(at(B));
    ctc<float>(contiguous(z.data(), B, T, O), lengths, {labels, counts}, 0, losses.back(),
               contiguous(gradients.back().data(), B, T, O));
    CHECK(gradients.back() == gradients.front());
    CHECK(losses.back() == losses.front());
  }
  for (Index b = 0; b < B; ++b) {
    for (Index i = lengths[at(b)] * O; i < T * O; ++i) {
      CHECK(gradients.front()[at(b * T * O + i)] == 0);
    }
  }
  CHECK(losses.front()[0] == 0);  // no steps, no labels
}

void check_impossible() {
  const std::vector<double> z(2 * 3);
  const std::vector<Index> labels = {1, 1}, counts = {2};  // needs a blank between
  std::vector<double> gradient(z.size());
  double loss = 0;
  ctc<double>(contiguous(z.data(), 1, 2, 3), {}, {labels, counts}, 0, {&loss, 1},
              contiguous(gradient.data(), 1, 2, 3));
  CHECK(std::isinf(loss) && loss > 0);
  for (const double value : gradient) CHECK(std::isnan(value));
}

void check_refused() {
  const std::vector<double> z(12);
  std::vector<double> gradient(z.size(), 7), losses(2, 7);
  const std::vector<Index> right = {1, 1}, ones = {1, 1}, wrong = {1, 0}, long_ones = {1, 2};
  const auto call = [&](Span<const Index> lengths, LabelSequences targets, Index blank, Index out) {
    ctc<double>(contiguous(z.data(), 2, 2, 3), lengths, targets, blank, losses,
                contiguous(gradient.data(), 2, 2, out));
  };
  const std::vector<Index> too_long = {2, 3};
  CHECK_THROWS(call(too_long, {right, ones}, 0, 3), "lengths");
  CHECK_THROWS(call({}, {right, ones}, 3, 3), "blank");
  CHECK_THROWS(call({}, {right, ones}, -1, 3), "blank");
  CHECK_THROWS(call({}, {wrong, ones}, 0, 3), "targets.labels");
  CHECK_THROWS(call({}, {right, long_ones}, 0, 3), "targets.counts");
  CHECK_THROWS(call({}, {right, {ones.data(), 1}}, 0, 3), "targets.counts");
  CHECK_THROWS(call({}, {{right.data(), 1}, ones}, 0, 3), "targets.counts");
  CHECK_THROWS(call({}, {right, ones}, 0, 2), "gradient");
  CHECK(gradient == std::vector<double>(12, 7.0));
  CHECK(losses == std::vector<double>(2, 7.0));
}

}  // namespace

int main() {
  check_over_all_paths<double>(1e-12);
  check_over_all_paths<float>(1e-6);
  check_batch();
  check_impossible();
  check_refused();
  return check::report();
}
