/// Tapes in the caller's memory.
#include <algorithm>
#include <limits>
#include <stdexcept>
#include <vector>

#include "api/lstm_problem.hpp"
#include "peephole/network.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

constexpr std::uint64_t kSeed = 5;
constexpr Index kBatch = 4, kTime = 9, kInputs = 3;
const std::vector<Index> kLengths = {9, 0, 4, 7};

LSTMConfig stack() {
  LSTMConfig config = one_layer(kInputs, 5);
  config.hidden_sizes = {5, 4};
  config.bidirectional = true;
  config.dropout = 0.3;
  config.recurrent_dropout = 0.2;
  config.zoneout = 0.1;
  return config;
}

LSTMConfig projected() {
  LSTMConfig config = stack();
  config.projection_size = 2;
  config.projection_clip = 0.1;
  return config;
}

LSTMConfig normalised(LayerNorm form) {
  LSTMConfig config = stack();
  config.recurrent_dropout = config.zoneout = 0;  // so that the kernels compute it
  config.layer_norm = form;
  return config;
}

template <class T>
struct Pass {
  explicit Pass(const LSTMConfig& config)
      : lstm(config, uninitialised),
        x(random.values<T>(kBatch * kTime * kInputs)),
        y(at(kBatch * kTime * config.output_size())),
        dx(x.size()),
        dparameters(at(lstm.parameters().flat_size())) {
    randomise(lstm.parameters(), random);
  }
  void forward(Tape<T>& tape) {
    lstm.forward({contiguous<const T>(x.data(), kBatch, kTime, kInputs), kLengths},
                 {contiguous(y.data(), kBatch, kTime, lstm.config().output_size())}, tape, kSeed);
  }
  void backward(const Tape<T>& tape) {
    const auto dy = contiguous<const T>(y.data(), kBatch, kTime, lstm.config().output_size());
    lstm.backward(tape, Gradient<T>::of_y(dy), dparameters,
                  {contiguous(dx.data(), kBatch, kTime, kInputs)});
  }
  std::vector<T> new_memory(T value) const {
    return std::vector<T>(at(lstm.tape_size().values(kBatch, kTime)), value);
  }

  Random random{1};  // the same in each: models are equal
  LSTM<T> lstm;
  std::vector<T> x, y, dx, dparameters;
};

template <class T>
void same_bits_as_with_memory_of_its_own(const LSTMConfig& config) {
  Pass<T> pass(config);
  Tape<T> own;
  pass.forward(own);
  pass.backward(own);
  const std::vector<T> y = pass.y, dx = pass.dx, dparameters = pass.dparameters;
  std::vector<T> memory = pass.new_memory(T(1));
  Tape<T> tape{Span<T>(memory)};
  pass.forward(tape);
  pass.backward(tape);
  CHECK(pass.y == y);
  CHECK(pass.dx == dx);
  CHECK(pass.dparameters == dparameters);
}

/// What was in the memory before does not show afterwards.
template <class T>
void equal_calls_leave_equal_memory(const LSTMConfig& config) {
  Pass<T> pass(config);
  std::vector<T> first = pass.new_memory(T(1)), second = pass.new_memory(T(-2));
  for (std::vector<T>* memory : {&first, &second}) {
    Tape<T> tape{Span<T>(*memory)};
    pass.forward(tape);
  }
  CHECK(first == second);
}

/// Another model of the same parameters takes up a copy of the memory at another address.
template <class T>
void moved_memory_is_reopened(const LSTMConfig& config) {
  Pass<T> pass(config);
  std::vector<T> memory = pass.new_memory(T(0));
  Tape<T> tape{Span<T>(memory)};
  pass.forward(tape);
  pass.backward(tape);
  std::vector<T> moved(memory.size() + 1);
  std::copy(memory.begin(), memory.end(), moved.begin() + 1);
  Pass<T> other(config);
  other.y = pass.y;
  Tape<T> reopened{Span<T>(moved.data() + 1, static_cast<Index>(memory.size()))};
  other.lstm.reopen(reopened, kBatch, kTime, kLengths, kSeed);
  CHECK(reopened.batch() == kBatch && reopened.time() == kTime);
  other.backward(reopened);
  CHECK(other.dx == pass.dx);
  CHECK(other.dparameters == pass.dparameters);
}

template <class Call>
bool refuses(Call&& call) {
  try {
    call();
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

void what_does_not_fit_is_refused() {
  Pass<double> pass(stack());
  std::vector<double> memory = pass.new_memory(0);
  const Span<double> all(memory), most(memory.data(), all.size - 1);
  Tape<double> small(most), tape(all), own;
  CHECK(refuses([&] { pass.forward(small); }));
  CHECK(refuses([&] { pass.lstm.reopen(small, kBatch, kTime, kLengths, kSeed); }));
  CHECK(refuses([&] { pass.lstm.reopen(own, kBatch, kTime, kLengths, kSeed); }));
  CHECK(refuses([&] { pass.lstm.reopen(tape, kBatch, kTime, kLengths); }));  // no seed
  CHECK(refuses([&] { pass.lstm.reopen(tape, 1, kTime, kLengths, kSeed); }));
  CHECK(refuses([&] { pass.lstm.reopen(tape, -1, kTime, {}, kSeed); }));
  constexpr Index kHuge = std::numeric_limits<Index>::max() / 2;
  CHECK(refuses([&] { pass.lstm.reopen(tape, kHuge, kHuge, {}, kSeed); }));
  CHECK(refuses([] { Tape<double> none(Span<double>{}); }));
  pass.forward(tape);
  pass.backward(tape);  // nothing was changed

  const Network<double> network({stack(), 2}, 0);
  std::vector<double> y(at(kBatch * kTime * 2));
  CHECK(refuses([&] {
    network.forward({contiguous<const double>(pass.x.data(), kBatch, kTime, kInputs)},
                    {contiguous(y.data(), kBatch, kTime, 2)}, tape, kSeed);
  }));
}

void a_tape_outlives_the_assignment_of_equal_values() {
  Pass<float> pass(stack());
  Tape<float> tape;
  pass.forward(tape);
  Parameters<float>& parameters = pass.lstm.parameters();
  std::vector<float> values(parameters.data(0), parameters.data(0) + parameters.specs()[0].size());
  parameters.assign(0, values.data());
  pass.backward(tape);
  values[0] += 1;
  parameters.assign(0, values.data());
  CHECK(refuses([&] { pass.backward(tape); }));
}

/// Backward leaves no old values between the tensors of the gradients.
void gaps_of_gradients_are_zeros() {
  Pass<float> pass(stack());
  Tape<float> tape;
  pass.forward(tape);
  std::fill(pass.dparameters.begin(), pass.dparameters.end(), 7.0f);
  pass.backward(tape);
  const Parameters<float>& parameters = pass.lstm.parameters();
  Index gap = 0, gaps = 0;
  for (Index i = 0; i <= static_cast<Index>(parameters.specs().size()); ++i) {
    const bool is_end = i == static_cast<Index>(parameters.specs().size());
    const Index next = is_end ? parameters.flat_size() : parameters.offset(i);
    for (; gap < next; ++gap, ++gaps) CHECK(pass.dparameters[at(gap)] == 0);
    if (!is_end) gap = next + parameters.specs()[at(i)].size();
  }
  CHECK(gaps > 0);
}

}  // namespace

int main() {
  for (const LSTMConfig& config :
       {stack(), normalised(LayerNorm::gates), normalised(LayerNorm::products), projected()}) {
    same_bits_as_with_memory_of_its_own<float>(config);
    same_bits_as_with_memory_of_its_own<double>(config);
    equal_calls_leave_equal_memory<float>(config);
    equal_calls_leave_equal_memory<double>(config);
    moved_memory_is_reopened<float>(config);
    moved_memory_is_reopened<double>(config);
  }
  what_does_not_fit_is_refused();
  a_tape_outlives_the_assignment_of_equal_values();
  gaps_of_gradients_are_zeros();
  return check::report();
}
