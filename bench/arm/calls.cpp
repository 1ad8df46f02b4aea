// Calls one LSTM layer on one thread; bench/arm counts its instructions.
//
//   calls infer|train float|double T B I H COUNT
//
// prints the instruction set that was used.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "peephole/peephole.hpp"

namespace {

using peephole::Index;

template <class T>
void call(bool train, Index steps, Index B, Index I, Index H, long count) {
  peephole::LSTMConfig config;
  config.input_size = I;
  config.hidden_sizes = {H};
  const peephole::LSTM<T> lstm(config, /*seed=*/0);
  const auto size = [](Index n) { return static_cast<std::size_t>(n); };
  std::vector<T> x(size(B * steps * I), T(0.1)), y(size(B * steps * H)), dy(y.size(), T(1)),
      dx(x.size()), gradient(size(lstm.parameters().flat_size()));
  const auto inputs = peephole::contiguous<const T>(x.data(), B, steps, I);
  const auto outputs = peephole::contiguous(y.data(), B, steps, H);
  peephole::Tape<T> tape;
  for (long n = 0; n < count; ++n) {
    if (!train) {
      lstm.infer({inputs}, {outputs});
      continue;
    }
    lstm.forward({inputs}, {outputs}, tape);
    const auto dys = peephole::contiguous<const T>(dy.data(), B, steps, H);
    lstm.backward(tape, peephole::Gradient<T>::of_y(dys), gradient,
                  {peephole::contiguous(dx.data(), B, steps, I)});
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) return 2;
  const bool train = std::string(argv[1]) == "train", is_float = std::string(argv[2]) == "float";
  peephole::set_num_threads(1);
  (is_float ? call<float> : call<double>)(train, std::atol(argv[3]), std::atol(argv[4]),
                                          std::atol(argv[5]), std::atol(argv[6]),
                                          std::atol(argv[7]));
  std::puts(peephole::isa().c_str());
}
