// set_isa on one thread while another computes: each call computes with one choice, from start to
// end.

#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <string>
#include <thread>

#include "api/lstm_problem.hpp"
#include "peephole/runtime.hpp"
#include "peephole/stream.hpp"

namespace peephole::test {
namespace {

constexpr auto kLong = std::chrono::milliseconds(1000);

/// Changes the choice all the time while it lives.
class Changer {
 public:
  Changer() : before_(isa()), thread_([this] { run(); }) {}
  ~Changer() {
    done_ = true;
    thread_.join();
    set_isa(before_);
  }

 private:
  void run() {
    const std::vector<std::string> names = isas();
    while (!done_) {
      for (const std::string& name : names) set_isa(name);
    }
  }

  const std::string before_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

LSTMConfig bidirectional_config() {
  LSTMConfig config;
  config.input_size = 3;
  config.hidden_sizes = std::vector<Index>{20, 5};
  config.bidirectional = true;
  return config;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

template <class Values>
bool is_one_of(const std::vector<Values>& expected, const Values& got) {
  return std::any_of(expected.begin(), expected.end(),
                     [&](const Values& values) { return same_bits(values, got); });
}

/// What forward and backward give with each choice: y of a forward run's choice, gradients of both.
void check_calls(Keep keep) {
  Problem<float> problem(bidirectional_config(), kRagged, 1);
  std::vector<std::vector<float>> outputs, gradients;
  const std::string before = isa();
  for (const std::string& forward : isas()) {
    for (const std::string& backward : isas()) {
      Tape<float> tape(keep);
      set_isa(forward);
      problem.forward(tape);
      outputs.push_back(problem.y);
      set_isa(backward);
      problem.backward(tape);
      gradients.push_back(problem.dparameters);
    }
  }
  set_isa(before);

  const Changer changer;
  const auto end = std::chrono::steady_clock::now() + kLong;
  long mixed = 0;
  while (std::chrono::steady_clock::now() < end) {
    Tape<float> tape(keep);
    problem.forward(tape);
    mixed += !is_one_of(outputs, problem.y);
    problem.backward(tape);
    mixed += !is_one_of(gradients, problem.dparameters);
    problem.infer();
    mixed += !is_one_of(outputs, problem.y);
  }
  CHECK(mixed == 0);
}

std::vector<float> steps(const LSTM<float>& lstm, const std::vector<float>& x) {
  Stream<float> stream(lstm);
  std::vector<float> y(x.size() / static_cast<std::size_t>(stream.input_size()) *
                       static_cast<std::size_t>(stream.output_size()));
  stream.process(x.data(), y.data(), static_cast<Index>(x.size()) / stream.input_size());
  return y;
}

/// A stream's layers all have the choice of the moment in which it was made.
void check_streams() {
  LSTMConfig config = bidirectional_config();
  config.bidirectional = false;
  Problem<float> problem(config, {}, 2);
  std::vector<std::vector<float>> outputs;
  const std::string before = isa();
  for (const std::string& name : isas()) {
    set_isa(name);
    outputs.push_back(steps(problem.lstm, problem.x));
  }
  set_isa(before);

  const Changer changer;
  const auto end = std::chrono::steady_clock::now() + kLong;
  long mixed = 0;
  while (std::chrono::steady_clock::now() < end) {
    mixed += !is_one_of(outputs, steps(problem.lstm, problem.x));
  }
  CHECK(mixed == 0);
}

}  // namespace
}  // namespace peephole::test

int main() {
  using namespace peephole;
  test::check_calls(Keep::all);
  test::check_calls(Keep::segments);
  test::check_streams();
  return check::report();
}
