// A host of the effect: calls it as an audio driver does, on a thread of its own, while the model
// is exchanged and the knob is turned, and prints how long the calls took.
//
//   host [SECONDS [MODEL.safetensors]]
//
// Without a file it plays the model that was embedded when the program was built.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "effect.hpp"
#include "embedded_model.hpp"

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

namespace {

using Clock = std::chrono::steady_clock;

constexpr double kRate = 48'000;
constexpr int kChannels = 2, kBlock = 64;

/// Asks for a real-time thread, as audio drivers have them. Returns whether it is one.
bool become_real_time() {
#if defined(__linux__)
  sched_param parameters = {};
  parameters.sched_priority = 70;
  return pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters) == 0;
#else
  return false;
#endif
}

/// A tone in each channel.
void play(std::vector<float>& left, std::vector<float>& right, double& phase) {
  for (int n = 0; n < kBlock; ++n, phase += 2 * 3.14159265358979 * 220 / kRate) {
    left[static_cast<std::size_t>(n)] = static_cast<float>(0.3 * std::sin(phase));
    right[static_cast<std::size_t>(n)] = static_cast<float>(0.3 * std::sin(1.5 * phase));
  }
}

struct Report {
  std::vector<double> microseconds;  // of each call
  float largest_step = 0;            // from a sample to the next
  bool real_time = false;
};

/// The audio thread: one block after the other, each at its time.
void run_audio(Effect& effect, int blocks, Report& report) {
  report.real_time = become_real_time();
  std::vector<float> left(kBlock), right(kBlock);
  float* const channels[kChannels] = {left.data(), right.data()};
  double phase = 0;
  float before = 0;
  const std::chrono::duration<double> period(kBlock / kRate);
  const auto begin = Clock::now();
  for (int block = 0; block < blocks; ++block) {
    play(left, right, phase);
    const auto start = Clock::now();
    effect.process(channels, kBlock);
    const std::chrono::duration<double, std::micro> taken = Clock::now() - start;
    report.microseconds[static_cast<std::size_t>(block)] = taken.count();
    for (float sample : left) {
      report.largest_step = std::max(report.largest_step, std::fabs(sample - before));
      before = sample;
    }
    std::this_thread::sleep_until(
        begin + std::chrono::duration_cast<Clock::duration>((block + 1) * period));
  }
}

std::string model_of(int count, char** arguments) {
  if (count < 3) return {reinterpret_cast<const char*>(kEmbeddedModel), kEmbeddedModelSize};
  std::ifstream file(arguments[2], std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void run(double seconds, const std::string& model) {
  Effect effect(kChannels, kBlock, kRate);
  effect.load(model.data(), model.size());
  const int blocks = std::max(1, static_cast<int>(seconds * kRate / kBlock));
  Report report;
  report.microseconds.resize(static_cast<std::size_t>(blocks));
  std::atomic<bool> done{false};
  std::thread audio([&] {
    run_audio(effect, blocks, report);
    done = true;
  });

  // The user: turns the knob all the time, and changes the model ten times a second.
  int changes = 0;
  for (double t = 0; !done; t += 0.01) {
    effect.set_drive(static_cast<float>(0.5 + 0.5 * std::sin(t)));
    if (static_cast<int>(t * 10) > changes) {
      effect.load(model.data(), model.size());
      ++changes;
    }
    effect.collect();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  audio.join();

  auto& times = report.microseconds;
  std::sort(times.begin(), times.end());
  const auto at = [&](double share) {
    return times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
  };
  std::printf("%d blocks of %d samples in %d channels, %.0f us each; %d changes of the model\n",
              blocks, kBlock, kChannels, 1e6 * kBlock / kRate, changes);
  std::printf("thread: %s\n", report.real_time ? "real-time (SCHED_FIFO)" : "ordinary");
  std::printf("call: p50 %.1f us, p99.9 %.1f us, max %.1f us\n", at(0.5), at(0.999), at(1));
  std::printf("largest step from a sample to the next: %.4f\n",
              static_cast<double>(report.largest_step));
}

}  // namespace

int main(int count, char** arguments) try {
  run(count > 1 ? std::atof(arguments[1]) : 10, model_of(count, arguments));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
