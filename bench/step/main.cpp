// Nanoseconds of single steps, T = B = 1, float32, one thread: ours and oneDNN's in turns, each the
// minimum over all rounds. Answers come first; a wrong one ends the program.
#include <chrono>
#include <cstdio>
#include <limits>
#include <map>
#include <random>
#include <stdexcept>

#include "options.hpp"
#include "plain.hpp"
#include "sessions.hpp"
#include "step.hpp"
#include "stream.hpp"

namespace bench {

std::vector<std::unique_ptr<Step>> implementations(const Problem& problem, bool same_weights) {
  std::vector<std::unique_ptr<Step>> all;
  all.push_back(peephole_step(problem, same_weights));
  if (auto peer = onednn_step(problem)) all.push_back(std::move(peer));
  return all;
}

namespace {

using Clock = std::chrono::steady_clock;

/// Weights of the size that layers begin with: uniform in ±1/sqrt(H).
Problem draw(const Sizes& sizes) {
  std::mt19937 random(20);
  const auto values = [&](std::size_t size, float bound) {
    std::uniform_real_distribution<float> uniform(-bound, bound);
    Values drawn(size);
    for (float& value : drawn) value = uniform(random);
    return drawn;
  };
  const auto [I, H] = sizes;
  const float bound = 1 / std::sqrt(static_cast<float>(H));
  return {I,
          H,
          values(4 * H * I, bound),
          values(4 * H * H, bound),
          values(4 * H, bound),
          values(4 * H, bound),
          values(I, 1),
          values(H, 1),
          values(H, 1),
          values(H, 1)};
}

// Over the largest value of the array: tens of roundings of 2^-24.
constexpr double kLargestError = 5e-6;

void check_one(const Step& step, const char* what, const Values& actual,
               const plain::Doubles& exact) {
  const double error = plain::error(actual, exact);
  if (error <= kLargestError) return;
  char message[200];
  std::snprintf(message, sizeof message, "%s: %s is off by %.1e, allowed %.0e", step.name().c_str(),
                what, error, kLargestError);
  throw std::runtime_error(message);
}

void check(Step& step, const Problem& problem) {
  const int steps = 3;
  plain::Doubles h(problem.h.begin(), problem.h.end()), c(problem.c.begin(), problem.c.end());
  const plain::Taken first = plain::step(problem, step.model(), h, c);
  for (int n = 0; n < steps; ++n) {
    const plain::Taken taken = plain::step(problem, step.model(), h, c);
    h = taken.h;
    c = taken.c;
  }
  step.reset();
  step.infer(steps);
  check_one(step, "h", step.h(), h);
  if (!step.trains()) return;
  step.reset();
  step.train(2);
  const Gradients gradients = step.gradients();
  const plain::Derivatives exact = plain::backward(problem, step.model(), first);
  check_one(step, "the gradient of x", gradients.x, exact.x);
  check_one(step, "the gradient of weight_ih", gradients.weight_ih, exact.weight_ih);
  check_one(step, "the gradient of weight_hh", gradients.weight_hh, exact.weight_hh);
  check_one(step, "the gradient of the peepholes", gradients.peepholes, exact.peepholes);
  check_one(step, "the gradient of the bias", gradients.bias, exact.bias);
}

// Steps are too short for the clock: timed are runs of so many that they last about this long.
constexpr double kRunSeconds = 2e-4;

/// Nanoseconds a step of the fastest run among those that fit in `seconds`.
template <class Run>
double fastest(double seconds, Run run) {
  const auto timed = [&](long steps) {
    const auto start = Clock::now();
    run(steps);
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  long steps = 1;
  while (timed(steps) < kRunSeconds) steps *= 2;
  const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
  double least = std::numeric_limits<double>::infinity();
  do {
    least = std::min(least, timed(steps) / static_cast<double>(steps));
  } while (Clock::now() < deadline);
  return least * 1e9;
}

/// Nanoseconds by implementation, in turns.
using Results = std::map<std::string, double>;
Results take_turns(const std::vector<std::unique_ptr<Step>>& steps, bool training,
                   const Options& options) {
  Results results;
  for (int round = 0; round < options.rounds; ++round) {
    for (const auto& step : steps) {
      if (training && !step->trains()) continue;
      step->reset();
      const double least = fastest(options.seconds / options.rounds, [&](long count) {
        training ? step->train(count) : step->infer(count);
      });
      const auto known = results.emplace(step->name(), least).first;
      known->second = std::min(known->second, least);
    }
  }
  return results;
}

void print_table(const Sizes& sizes, const char* what, const Results& results) {
  const double ours = results.at("peephole");
  std::printf("| 1,1,%zu,%zu | %s | %.0f |", sizes.I, sizes.H, what, ours);
  const auto peer = results.find("onednn");
  if (peer == results.end()) {
    std::printf(" – | – |\n");
  } else {
    std::printf(" %.0f | %.2f |\n", peer->second, peer->second / ours);
  }
}

void print_json(const Sizes& sizes, const char* what, const Results& results) {
  std::printf("{\"I\": %zu, \"H\": %zu, \"what\": \"%s\", \"nanoseconds\": {", sizes.I, sizes.H,
              what);
  const char* separator = "";
  for (const auto& [name, nanoseconds] : results) {
    std::printf("%s\"%s\": %.1f", separator, name.c_str(), nanoseconds);
    separator = ", ";
  }
  std::printf("}}\n");
}

void run(const Options& options) {
  if (!options.json) {
    std::printf("| T,B,I,H | | ours, ns | oneDNN, ns | ratio |\n|---|---|---:|---:|---:|\n");
  }
  for (const Sizes& sizes : options.sizes) {
    const Problem problem = draw(sizes);
    const auto steps = implementations(problem, options.same_weights);
    for (const auto& step : steps) check(*step, problem);
    for (const bool training : {false, true}) {
      const Results results = take_turns(steps, training, options);
      (options.json ? print_json : print_table)(sizes, training ? "training" : "inference",
                                                results);
      std::fflush(stdout);
    }
  }
}

}  // namespace
}  // namespace bench

int main(int count, char** arguments) try {
  const bench::Options options = bench::parse(count, arguments);
  (options.streams    ? bench::run_streams
   : options.sessions ? bench::run_sessions
                      : bench::run)(options);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
