// What a host program loads and unloads: a library that contains peephole and uses its threads.

#include <vector>

#include "peephole/lstm.hpp"
#include "peephole/runtime.hpp"

extern "C" __attribute__((visibility("default"))) int compute_on_threads(int threads) {
  using namespace peephole;
  LSTMConfig config;
  config.input_size = 32;
  config.hidden_sizes = std::vector<Index>{64};
  const LSTM<float> lstm(config, uninitialised);
  const Index B = 64, T = 40;
  const std::vector<float> x(static_cast<std::size_t>(B * T * 32), 1.0f);
  std::vector<float> y(static_cast<std::size_t>(B * T * 64), 1.0f);
  set_num_threads(threads);
  lstm.infer({contiguous(x.data(), B, T, 32)}, {contiguous(y.data(), B, T, 64)});
  return y[0] == 0;
}
