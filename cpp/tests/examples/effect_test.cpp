// The effect of cpp/examples/plugin: its sound is that of the model, it exchanges models without a
// click, and its audio thread neither allocates, frees nor locks.

#include "../../examples/plugin/effect.hpp"

#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "peephole/files.hpp"
#include "support/arrays.hpp"
#include "support/check.hpp"
#include "support/watched_calls.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

constexpr int kBlock = 64;
constexpr double kRate = 48'000;
constexpr int kFaded = 60;  // blocks after which a new model is all that is heard

std::string model(Random& random, Index inputs = 2) {
  NetworkConfig config;
  config.lstm.input_size = inputs;
  config.lstm.hidden_sizes = {12};
  Network<float> network(config, uninitialised);
  randomise(network.parameters(), random);
  return serialise(network);
}

/// Some blocks of a tone through the effect.
std::vector<float> play(Effect& effect, int channels, int blocks) {
  std::vector<float> block(at(kBlock * channels)), heard;
  std::vector<float*> pointers;
  for (int channel = 0; channel < channels; ++channel) {
    pointers.push_back(block.data() + channel * kBlock);
  }
  for (int n = 0; n < blocks; ++n) {
    for (int k = 0; k < kBlock * channels; ++k) {
      block[at(k)] = static_cast<float>(0.3 * std::sin(0.02 * (n * kBlock + k % kBlock)));
    }
    effect.process(pointers.data(), kBlock);
    heard.insert(heard.end(), block.begin(), block.end());
  }
  return heard;
}

void without_a_model_nothing_changes() {
  Effect effect(1, kBlock, kRate);
  const std::vector<float> heard = play(effect, 1, 3);
  for (std::size_t n = 0; n < heard.size(); ++n) {
    CHECK(heard[n] == static_cast<float>(0.3 * std::sin(0.02 * static_cast<double>(n))));
  }
}

/// Once it has been faded in, with the knob at rest, the sound is the model's.
void sounds_like_the_model(int channels) {
  Random random(1);
  const std::string bytes = model(random);
  Effect effect(channels, kBlock, kRate);
  effect.load(bytes.data(), bytes.size());
  const std::vector<float> heard = play(effect, channels, kFaded + 5);
  Stream<float> stream(load<Network<float>>(bytes.data(), bytes.size()));
  for (int n = 0; n < kFaded + 5; ++n) {
    for (int k = 0; k < kBlock; ++k) {
      const float x[2] = {static_cast<float>(0.3 * std::sin(0.02 * (n * kBlock + k))), 0.5f};
      float y;
      stream.step(x, &y);
      for (int channel = 0; n >= kFaded && channel < channels; ++channel) {
        CHECK(heard[at((n * channels + channel) * kBlock + k)] == y);
      }
    }
  }
}

/// Models that are exchanged make no larger step than the louder of the two.
void exchanges_without_a_click() {
  Random random(2);
  const std::string first = model(random), second = model(random);
  const auto largest_step = [](const std::vector<float>& heard, std::size_t from) {
    float largest = 0;
    for (std::size_t n = from + 1; n < heard.size(); ++n) {
      largest = std::max(largest, std::fabs(heard[n] - heard[n - 1]));
    }
    return largest;
  };
  Effect alone(1, kBlock, kRate), changing(1, kBlock, kRate);
  alone.load(second.data(), second.size());
  changing.load(first.data(), first.size());
  const std::size_t settled = at(kFaded * kBlock);
  const std::vector<float> of_second = play(alone, 1, 2 * kFaded);
  const std::vector<float> of_first = play(changing, 1, 2 * kFaded);
  changing.load(second.data(), second.size());
  const std::vector<float> across = play(changing, 1, 2 * kFaded);
  const float either = std::max(largest_step(of_first, settled), largest_step(of_second, settled));
  CHECK(largest_step(across, 0) <= 2 * either);
  CHECK(std::equal(across.end() - kBlock, across.end(), of_second.end() - kBlock));
}

void refuses_and_goes_on() {
  Random random(3);
  const std::string good = model(random), other = model(random, 3);
  Effect effect(1, kBlock, kRate);
  effect.load(good.data(), good.size());
  play(effect, 1, kFaded);
  CHECK_THROWS(effect.load(other.data(), other.size()), "two inputs and one output, got 3 and 1");
  CHECK(check::complaint<FileError>([&] { effect.load(good.data(), 100); }, "").empty());
  Effect same(1, kBlock, kRate);
  same.load(good.data(), good.size());
  play(same, 1, kFaded);
  CHECK(play(effect, 1, 2) == play(same, 1, 2));
}

/// While the other thread loads models, frees them and turns the knob.
void audio_thread_allocates_nothing() {
#if defined(PEEPHOLE_WATCHED)
  Random random(4);
  const std::string bytes = model(random);
  Effect effect(1, kBlock, kRate);
  std::vector<float> block(kBlock);
  float* const channels[] = {block.data()};
  for (int n = 0; n < 600; ++n) {
    if (n % 90 == 0) effect.load(bytes.data(), bytes.size());
    effect.set_drive(static_cast<float>(n % 10) / 10);
    CHECK(watched_calls([&] { effect.process(channels, kBlock); }) == 0);
    if (n % 50 == 0) effect.collect();
  }
#else
  std::printf("skipped: allocation is watched with glibc, without sanitizers\n");
#endif
}

/// Both threads at once: for sanitizers.
void threads() {
  Random random(5);
  const std::string bytes = model(random);
  Effect effect(1, kBlock, kRate);
  std::atomic<bool> done{false};
  std::thread audio([&] {
    play(effect, 1, 2000);
    done = true;
  });
  for (int n = 0; !done; ++n) {
    effect.load(bytes.data(), bytes.size());
    effect.set_drive(static_cast<float>(n % 10) / 10);
    effect.collect();
  }
  audio.join();
}

}  // namespace

int main() {
  without_a_model_nothing_changes();
  sounds_like_the_model(1);
  sounds_like_the_model(2);
  exchanges_without_a_click();
  refuses_and_goes_on();
  audio_thread_allocates_nothing();
  threads();
  return check::report();
}
