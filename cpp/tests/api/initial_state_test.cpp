#include <algorithm>
#include <cstring>

#include "api/lstm_problem.hpp"
#include "peephole/stream.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

bool is_initial(const std::string& name) {
  return name.compare(0, 3, "h0_") == 0 || name.compare(0, 3, "c0_") == 0;
}

/// The learned initial state, for every sequence of the batch.
template <class T>
States<T> learned_states(const LSTM<T>& lstm) {
  const LSTMConfig& config = lstm.config();
  States<T> states(config, kBatch);
  for (std::size_t k = 0; k < states.h.size(); ++k) {
    const Index layer = static_cast<Index>(k) / config.directions();
    const bool reverse = static_cast<Index>(k) % config.directions() == 1;
    const std::string suffix = "_l" + std::to_string(layer) + (reverse ? "_reverse" : "");
    const auto repeat = [&](const std::string& name, std::vector<T>& to) {
      const T* const from = lstm.parameters().data(lstm.parameters().find(name + suffix));
      const Index size = static_cast<Index>(to.size()) / kBatch;
      for (Index b = 0; b < kBatch; ++b) std::copy_n(from, size, to.begin() + b * size);
    };
    repeat("h0", states.h[k]);
    repeat("c0", states.c[k]);
  }
  return states;
}

/// Without a given state: the bits of a call that is given h0 and c0, and their gradients are the
/// sums of the gradients of that state.
template <class T>
void check_equals_a_given_state(LSTMConfig config, const std::vector<Index>& lengths, Keep keep) {
  config.initial_state = InitialState::learned;
  Problem<T> with(config, lengths, 3), without(config, lengths, 3);
  with.initial = learned_states(with.lstm);
  Tape<T> tape_with(keep), tape_without(keep);
  with.forward(tape_with);
  const auto to = without.final.views();
  without.lstm.forward({without.x_view(), lengths}, {without.y_view(), to}, tape_without);
  CHECK(without.y == with.y && without.final.h == with.final.h && without.final.c == with.final.c);
  with.backward(tape_with);
  without.backward(tape_without);
  CHECK(std::memcmp(without.dx.data(), with.dx.data(), with.dx.size() * sizeof(T)) == 0);
  CHECK(without.dinitial.h == with.dinitial.h && without.dinitial.c == with.dinitial.c);

  const Parameters<T>& parameters = with.lstm.parameters();
  std::size_t state = 0;
  for (Index i = 0; i < static_cast<Index>(parameters.specs().size()); ++i) {
    const ParameterSpec& spec = parameters.specs()[at(i)];
    const T* const got = without.dparameters.data() + parameters.offset(i);
    const T* const of_given = with.dparameters.data() + parameters.offset(i);
    if (!is_initial(spec.name)) {
      CHECK(std::memcmp(got, of_given, at(spec.size()) * sizeof(T)) == 0);
      continue;
    }
    const bool of_c = spec.name[0] == 'c';
    const std::vector<T>& d = (of_c ? with.dinitial.c : with.dinitial.h)[state];
    if (of_c) ++state;
    for (Index n = 0; n < spec.rows; ++n) {
      double sum = 0;
      for (Index b = 0; b < kBatch; ++b) sum += d[at(b * spec.rows + n)];
      CHECK_CLOSE(got[n], sum, kRounding<T>);
      CHECK(of_given[n] == 0);
    }
  }
  CHECK(state == with.dinitial.h.size());
}

/// A tape in the caller's memory keeps no note of whether there was a state: reopen() is told.
void check_reopened() {
  LSTMConfig config = one_layer(2, 3);
  config.initial_state = InitialState::learned;
  Problem<double> problem(config, kRagged, 1);
  std::vector<double> memory(at(problem.lstm.tape_size().values(kBatch, kTime)));
  for (bool given : {false, true}) {
    Tape<double> tape{Span<double>(memory)}, again{Span<double>(memory)};
    const auto from = problem.initial.const_views();
    const Span<const StateView<const double>> initial =
        given ? Span<const StateView<const double>>(from) : Span<const StateView<const double>>();
    problem.lstm.forward({problem.x_view(), problem.lengths, initial}, {problem.y_view()}, tape);
    problem.backward(tape);
    const std::vector<double> expected = problem.dparameters;
    problem.lstm.reopen(again, kBatch, kTime, problem.lengths, {}, given);
    problem.backward(again);
    CHECK(problem.dparameters == expected);
    const Index h0 = problem.lstm.parameters().find("h0_l0");
    CHECK((expected[at(problem.lstm.parameters().offset(h0))] == 0) == given);
  }
}

/// Streams begin there, and return there.
void check_streams() {
  LSTMConfig config;
  config.input_size = 2;
  config.hidden_sizes = {3, 18};
  config.initial_state = InitialState::learned;
  Problem<float> problem(config, {}, 2);
  problem.lstm.infer({problem.x_view()}, {problem.y_view()});
  Stream<float> stream(problem.lstm, kBatch);
  for (int round = 0; round < 2; ++round) {
    std::vector<float> y(problem.y.size());
    stream.process(problem.x.data(), y.data(), kTime);
    CHECK(y == problem.y);
    stream.reset();
  }
}

}  // namespace

int main() {
  for_each_config([](const LSTMConfig& config, int number) {
    const Keep keep = number % 2 == 0 ? Keep::all : Keep::segments;
    check_equals_a_given_state<float>(config, {}, keep);
    check_equals_a_given_state<double>(config, kRagged, keep);
  });
  check_reopened();
  check_streams();
  return check::report();
}
