// A model that is loaded from memory, step by step: no thread, no file and no exception, so that
// the test runs on every target.
#include <cmath>
#include <string>
#include <vector>

#include "peephole/files.hpp"
#include "peephole/initialise.hpp"
#include "peephole/runtime.hpp"
#include "peephole/stream.hpp"
#include "support/check.hpp"
#include "support/oracle.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

/// The steps of a loaded model are those of the equations, with every instruction set.
template <class T>
void test_steps(double tolerance) {
  constexpr Index kSteps = 20;
  LSTMConfig config;
  config.input_size = 3;
  config.hidden_sizes = {7, 5};
  LSTM<T> made(config, uninitialised);
  initialise(made, 1);
  const std::string bytes = serialise(made);
  const auto model = load<LSTM<T>>(bytes.data(), bytes.size());

  Random random(2);
  const std::vector<T> x = random.values<T>(kSteps * 3);
  std::vector<Row> rows;
  for (Index t = 0; t < kSteps; ++t) {
    rows.emplace_back(x.begin() + t * 3, x.begin() + (t + 1) * 3);
  }
  std::vector<OracleState> states = {{Row(7), Row(7)}, {Row(5), Row(5)}};
  const std::vector<Row> expected = stack(config, made.parameters(), rows, states);

  for (const std::string& isa : isas()) {
    set_isa(isa);
    Stream<T> stream(model);
    for (Index t = 0; t < kSteps; ++t) {
      T y[5];
      stream.step(x.data() + t * 3, y);
      for (Index n = 0; n < 5; ++n) CHECK_CLOSE(y[n], expected[at(t)][at(n)], tolerance);
    }
  }
}

}  // namespace

int main() {
  test_steps<float>(1e-5);
  test_steps<double>(1e-13);
  return check::report();
}
