#include "api/lstm_problem.hpp"
#include "peephole/network.hpp"
#include "support/allocated.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

constexpr std::uint64_t kSeed = 5;  // of what training draws
/// A batch of which a layer of 64 units has several segments.
constexpr Index kSequences = 20, kSteps = 400, kInputs = 3, kUnits = 64;

struct Batch {
  explicit Batch(const LSTMConfig& config)
      : lstm(config, uninitialised),
        x(random.values<float>(kSequences * kSteps * kInputs)),
        y(at(kSequences * kSteps * kUnits)),
        dx(x.size()),
        dparameters(at(lstm.parameters().flat_size())) {
    randomise(lstm.parameters(), random);
  }
  void train(Tape<float>& tape) {
    lstm.forward({contiguous<const float>(x.data(), kSequences, kSteps, kInputs)},
                 {contiguous(y.data(), kSequences, kSteps, kUnits)}, tape, kSeed);
    const auto dy = contiguous<const float>(y.data(), kSequences, kSteps, kUnits);
    lstm.backward(tape, Gradient<float>::of_y(dy), dparameters,
                  {contiguous(dx.data(), kSequences, kSteps, kInputs)});
  }

  Random random{1};
  LSTM<float> lstm;
  std::vector<float> x, y, dx, dparameters;
};

LSTMConfig with_noise(LSTMConfig config) {
  config.recurrent_dropout = 0.2;
  config.zoneout = 0.1;
  return config;
}

LSTMConfig with_norm(LSTMConfig config, LayerNorm form) {
  config.layer_norm = form;
  return config;
}

void same_bits_for_a_fifth_of_the_memory(const LSTMConfig& config) {
  Batch batch(config);
  Tape<float> whole, part(Keep::segments);
  batch.train(whole);
  const std::vector<float> y = batch.y, dx = batch.dx, dparameters = batch.dparameters;
  batch.train(part);
  CHECK(batch.y == y);
  CHECK(batch.dx == dx);
  CHECK(batch.dparameters == dparameters);
  CHECK(part.bytes() < whole.bytes() / 5);
}

void a_repeated_call_allocates_nothing(const LSTMConfig& config) {
  Batch batch(config);
  for (Keep keep : {Keep::all, Keep::segments}) {
    Tape<float> tape(keep);
    batch.train(tape);
    batch.train(tape);
    const std::size_t before = allocated;
    most_allocated = before;
    batch.train(tape);
    const std::size_t most = most_allocated;  // CHECK allocates
    CHECK(most == before);
  }
}

}  // namespace

int main() {
  const LSTMConfig plain = one_layer(kInputs, kUnits);
  for (const LSTMConfig& config :
       {plain, with_noise(plain), with_norm(plain, LayerNorm::gates),
        with_norm(plain, LayerNorm::products), with_norm(with_noise(plain), LayerNorm::gates)}) {
    same_bits_for_a_fifth_of_the_memory(config);
    a_repeated_call_allocates_nothing(config);
  }
  return check::report();
}
