// Trains in C++: forward, backward, optimiser step; then saves the model.
//
//   train [MODEL.safetensors]
//
// The task is the adding problem of Hochreiter & Schmidhuber (1997): of a sequence of pairs
// (number, mark), two are marked; the answer, after the last step, is the sum of their numbers.
#include <cmath>
#include <cstdio>
#include <exception>
#include <random>
#include <vector>

#include "peephole/peephole.hpp"

namespace {

using peephole::Index;

constexpr Index B = 32, T = 20, I = 2;

struct Batch {
  std::vector<float> x = std::vector<float>(B * T * I);  // (B, T, I)
  std::vector<float> sum = std::vector<float>(B);        // (B,)
};

Batch draw(std::mt19937& random) {
  std::uniform_real_distribution<float> number(0, 1);
  std::uniform_int_distribution<Index> half(0, T / 2 - 1);
  Batch batch;
  for (Index b = 0; b < B; ++b) {
    float* const x = &batch.x[static_cast<std::size_t>(b * T * I)];
    for (Index t = 0; t < T; ++t) x[t * I] = number(random);
    for (const Index t : {half(random), T / 2 + half(random)}) {
      x[t * I + 1] = 1;
      batch.sum[static_cast<std::size_t>(b)] += x[t * I];
    }
  }
  return batch;
}

class Trainer {
 public:
  Trainer()
      : network_(config(), /*seed=*/0),
        adam_(network_.parameters(), peephole::Adam{}, /*learning_rate=*/5e-3),
        gradient_(static_cast<std::size_t>(network_.parameters().flat_size())) {}

  /// Mean squared error of the batch, before the step that it makes.
  float step(const Batch& batch) {
    const auto x = peephole::contiguous(batch.x.data(), B, T, I);
    network_.forward({x}, {peephole::contiguous(y_.data(), B, 1, 1)}, tape_);
    float loss = 0;
    for (std::size_t b = 0; b < B; ++b) {
      const float error = y_[b] - batch.sum[b];
      loss += error * error / B;
      dy_[b] = 2 * error / B;
    }
    const auto dy = peephole::contiguous<const float>(dy_.data(), B, 1, 1);
    network_.backward(tape_, peephole::Gradient<float>::of_y(dy), gradient_);
    adam_.step(gradient_);
    return loss;
  }

  const peephole::Network<float>& network() const { return network_; }

 private:
  static peephole::NetworkConfig config() {
    peephole::NetworkConfig config;
    config.lstm.input_size = I;
    config.lstm.hidden_sizes = {32};
    config.output_size = 1;
    config.readout = peephole::Readout::last;
    return config;
  }

  peephole::Network<float> network_;
  peephole::Optimiser<float> adam_;
  peephole::Tape<float> tape_;
  std::vector<float> gradient_;
  std::vector<float> y_ = std::vector<float>(B), dy_ = std::vector<float>(B);
};

}  // namespace

int main(int count, char** arguments) try {
  constexpr int kSteps = 1500, kReportEvery = 300;
  // Guessing the mean of the sum leaves its variance, 2/12.
  constexpr float kSolved = 0.01f;
  std::mt19937 random(0);
  Trainer trainer;
  float mean = 0;
  for (int step = 1; step <= kSteps; ++step) {
    mean += trainer.step(draw(random)) / kReportEvery;
    if (step % kReportEvery != 0) continue;
    std::printf("step %4d  mean squared error %.5f\n", step, static_cast<double>(mean));
    if (step < kSteps) mean = 0;
  }
  if (count > 1) peephole::save(trainer.network(), arguments[1]);
  return mean < kSolved ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
