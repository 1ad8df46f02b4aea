#include <algorithm>
#include <limits>
#include <thread>

#include "api/lstm_problem.hpp"
#include "peephole/lstm.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

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
  tapes();
  a_write_shows_in_the_next_call();
  several_threads_share_one_model();
  bad_arguments();
  return check::report();
}
