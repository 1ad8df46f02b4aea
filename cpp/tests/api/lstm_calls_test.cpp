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
    problem.lstm.forward({contiguous(x.data(), 9, 7, 2)}, {contiguous(y.data(), 9, 7, 3)}, tape);
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
  parameters.write().data(0)[0] += 1;
  problem.infer();
  CHECK(problem.y != before);
  check_against_oracle(problem);

  // Also while the writer lives.
  auto writer = parameters.write();
  double* const values = writer.data(1);
  problem.infer();
  values[0] += 1;
  problem.infer();
  check_against_oracle(problem);
  values[1] += 1;
  problem.infer();
  check_against_oracle(problem);
}

/// Reading through a writer is no change; a change is one also when it is undone after a call.
void a_tape_holds_as_long_as_the_values() {
  Problem<double> problem(one_layer(2, 3), {}, 850);
  auto writer = problem.lstm.parameters().write();
  double* const values = writer.data(1);
  Tape<double> tape;
  problem.forward(tape);
  CHECK(problem.lstm.parameters().write().data(0)[0] == problem.lstm.parameters().data(0)[0]);
  problem.backward(tape);
  const double before = values[4];
  values[4] += 1;
  CHECK_THROWS(problem.backward(tape), "tape: expected one of the current parameters");
  problem.forward(tape);
  values[4] = before;
  CHECK_THROWS(problem.backward(tape), "tape: expected one of the current parameters");
  problem.forward(tape);
  problem.backward(tape);
}

void workspaces_can_be_released() {
  Problem<float> problem(one_layer(2, 3), kRagged, 860);
  Tape<float> tape;
  problem.forward(tape);
  problem.backward(tape);
  const std::vector<float> y = problem.y, dx = problem.dx;
  problem.lstm.release_workspaces();
  problem.backward(tape);
  problem.infer();
  CHECK(problem.y == y);
  CHECK(problem.dx == dx);
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
        const auto initial = shared.initial.const_views(), dfinal = shared.dfinal.const_views();
        shared.lstm.infer({shared.x_view(), shared.lengths, initial},
                          {contiguous(result.data(), kBatch, kTime, shared.F)});
        const auto dy = contiguous(shared.dy.data(), kBatch, kTime, shared.F);
        shared.lstm.backward(
            tape, Gradient<float>::of_y(dy, dfinal),
            {result.data() + shared.y.size(), static_cast<Index>(shared.dparameters.size())});
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
  CHECK_THROWS(LSTM<float>(one_layer(0, 3), 0), "input_size: expected");
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

  CHECK_THROWS(lstm.infer({x_of(kBatch, kTime, 1)}, {y}),
               "x: expected (batch, time, 2), got (4, 6, 1)");
  CHECK_THROWS(lstm.infer({x_of(-1, kTime, 2)}, {y}), "x: expected");
  CHECK_THROWS(lstm.infer({contiguous<const float>(nullptr, kBatch, kTime, 2)}, {y}),
               "x: expected");
  const Index huge = std::numeric_limits<Index>::max() / 2;
  CHECK_THROWS(lstm.infer({{problem.x.data(), huge, huge, 2, 0, 0}},
                          {{problem.y.data(), huge, huge, 3, 0, 0}}),
               "x: expected");
  CHECK_THROWS(lstm.infer({x}, {y_of(kBatch, kTime, 2)}), "y: expected (4, 6, 3)");
  CHECK_THROWS(lstm.infer({x}, {y_of(kBatch, kTime - 1, 3)}), "y: expected (4, 6, 3)");
  CHECK_THROWS(lstm.infer({x}, {contiguous<float>(nullptr, kBatch, kTime, 3)}), "y: expected");
  CHECK_THROWS(lstm.infer({x}, {y, {}, y}), "logits: expected none");

  for (std::vector<Index> lengths :
       {std::vector<Index>{6, 6, 6}, {6, 6, 6, 7}, {6, -1, 6, 6}, {6, 6, 6, 6, 6}}) {
    CHECK_THROWS(lstm.infer({x, lengths}, {y}), "lengths: expected");
  }

  std::vector<StateView<const float>> initial = problem.initial.const_views();
  initial.push_back(initial[0]);
  CHECK_THROWS(lstm.infer({x, {}, initial}, {y}), "state: expected 1 pairs");
  initial.pop_back();
  initial[0].hidden_size = 4;
  CHECK_THROWS(lstm.infer({x, {}, initial}, {y}),
               "state[0]: expected h and c (4, 3), got h (4, 3) and c (4, 4)");
  initial[0].hidden_size = 3;
  initial[0].batch = 3;
  CHECK_THROWS(lstm.infer({x, {}, initial}, {y}),
               "state[0]: expected h and c (4, 3), got h and c (3, 3)");
  initial[0].batch = 4;
  initial[0].c = nullptr;
  CHECK_THROWS(lstm.infer({x, {}, initial}, {y}), "state[0]: expected");
  std::vector<StateView<float>> final = problem.final.views();
  final[0].h = nullptr;
  CHECK_THROWS(lstm.infer({x}, {y, final}), "final[0]: expected");
  CHECK(problem.y == y_before);

  Tape<float> tape;
  CHECK_THROWS(problem.backward(tape), "tape: expected");  // never filled
  lstm.trace({x}, {y}, tape);
  CHECK_THROWS(problem.backward(tape), "tape: expected");
  problem.forward(tape);
  Problem<float> other(config, {}, 1000);
  CHECK_THROWS(other.backward(tape), "tape: expected");
  using Of = Gradient<float>;
  std::vector<float>& dparameters = problem.dparameters;
  CHECK_THROWS(lstm.backward(tape, Of::of_y(x_of(kBatch, kTime, 2)), dparameters),
               "dy: expected (4, 6, 3)");
  const SequenceView<const float> dy = contiguous<const float>(problem.dy.data(), kBatch, kTime, 3);
  CHECK_THROWS(lstm.backward(tape, Of::of_logits(dy), dparameters), "gradient: expected one of y");
  CHECK_THROWS(lstm.backward(tape, Of::of_y(dy, initial), dparameters), "dstate[0]: expected");
  CHECK_THROWS(lstm.backward(tape, Of::of_y(dy), {dparameters.data(), 5}),
               "dparameters: expected (112,), got (5,)");
  CHECK_THROWS(lstm.backward(tape, Of::of_y(dy), {}), "dparameters: expected");
  CHECK_THROWS(lstm.backward(tape, Of::of_y(dy), dparameters, {y_of(kBatch, kTime, 3)}),
               "dx: expected (4, 6, 2)");
  CHECK_THROWS(lstm.backward(tape, Of::of_y(dy), dparameters, {{}, final}),
               "dinitial[0]: expected");
  problem.backward(tape);
  const Index size = lstm.parameters().specs()[0].size();
  std::vector<float> changed(lstm.parameters().data(0), lstm.parameters().data(0) + size);
  changed[0] += 1;
  lstm.parameters().assign(0, changed.data());
  CHECK_THROWS(problem.backward(tape), "tape: expected");
}

}  // namespace

int main() {
  tapes();
  a_write_shows_in_the_next_call();
  a_tape_holds_as_long_as_the_values();
  workspaces_can_be_released();
  several_threads_share_one_model();
  bad_arguments();
  return check::report();
}
