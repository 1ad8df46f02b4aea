#include "effect.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "peephole/files.hpp"

namespace {

// A new model begins with its initial state, and takes about this long to forget it.
constexpr double kRunInSeconds = 0.05;
constexpr double kFadeSeconds = 0.02;
constexpr double kKnobSeconds = 0.005;

}  // namespace

Effect::Effect(int channels, int largest_block, double rate)
    : channels_(channels),
      run_in_samples_(static_cast<int>(kRunInSeconds * rate)),
      fade_samples_(static_cast<int>(kFadeSeconds * rate)),
      smoothing_(static_cast<float>(1 - std::exp(-1 / (kKnobSeconds * rate)))),
      knob_(static_cast<std::size_t>(largest_block)),
      inputs_(2 * static_cast<std::size_t>(largest_block)),
      faded_(static_cast<std::size_t>(largest_block)) {}

Effect::~Effect() {
  for (Voice* voice : {new_voice_.load(), used_voice_.load(), voice_, fading_in_, leaving_}) {
    delete voice;
  }
}

void Effect::load(const void* data, std::size_t size) {
  using peephole::Network, peephole::Stream;
  const Stream<float> first(peephole::load<Network<float>>(data, size));
  if (first.input_size() != 2 || first.output_size() != 1) {
    throw std::invalid_argument("model: expected two inputs and one output, got " +
                                std::to_string(first.input_size()) + " and " +
                                std::to_string(first.output_size()));
  }
  std::vector<Stream<float>> streams(static_cast<std::size_t>(channels_), first);
  auto voice = std::make_unique<Voice>(Voice{std::move(streams)});
  delete new_voice_.exchange(voice.release());  // one that the audio thread has not taken yet
}

void Effect::collect() noexcept { delete used_voice_.exchange(nullptr); }

void Effect::process(float* const* channels, int samples) noexcept {
  take_new_voice();
  follow_knob(samples);
  for (int channel = 0; channel < channels_; ++channel) {
    float* const sound = channels[channel];
    if (fading_in_ != nullptr) {
      fade(channel, sound, samples);
    } else if (voice_ != nullptr) {
      run(*voice_, channel, sound, sound, samples);
    }
  }
  if (fading_in_ != nullptr) {
    fade_position_ += samples;
    if (fade_position_ >= fade_samples_) {
      leaving_ = voice_;
      voice_ = fading_in_;
      fading_in_ = nullptr;
    }
  }
  hand_back();
}

/// One fade after the other: a model that comes during a fade waits for its end.
void Effect::take_new_voice() noexcept {
  if (fading_in_ != nullptr || leaving_ != nullptr) return;
  fading_in_ = new_voice_.exchange(nullptr);
  fade_position_ = -run_in_samples_;
}

void Effect::follow_knob(int samples) noexcept {
  const float drive = drive_.load(std::memory_order_relaxed);
  for (int n = 0; n < samples; ++n) {
    followed_drive_ += smoothing_ * (drive - followed_drive_);
    knob_[static_cast<std::size_t>(n)] = followed_drive_;
  }
}

/// out  may be `sound`
void Effect::run(Voice& voice, int channel, const float* sound, float* out, int samples) noexcept {
  float* to = inputs_.data();
  for (int n = 0; n < samples; ++n) {
    *to++ = sound[n];
    *to++ = knob_[static_cast<std::size_t>(n)];
  }
  voice.streams[static_cast<std::size_t>(channel)].process(inputs_.data(), out, samples);
}

/// From the sound of the old voice, or without one from what came in, to that of the new one.
void Effect::fade(int channel, float* sound, int samples) noexcept {
  run(*fading_in_, channel, sound, faded_.data(), samples);
  if (voice_ != nullptr) run(*voice_, channel, sound, sound, samples);
  for (int n = 0; n < samples; ++n) {
    const float share = static_cast<float>(fade_position_ + n) / static_cast<float>(fade_samples_);
    const float gain = std::clamp(share, 0.0f, 1.0f);
    sound[n] += gain * (faded_[static_cast<std::size_t>(n)] - sound[n]);
  }
}

/// To free memory may take long: the other thread does it.
void Effect::hand_back() noexcept {
  Voice* expected = nullptr;
  if (leaving_ != nullptr && used_voice_.compare_exchange_strong(expected, leaving_)) {
    leaving_ = nullptr;
  }
}
