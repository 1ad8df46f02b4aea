#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "peephole/stream.hpp"

/// An audio effect by a model of two inputs, the sound and a knob, as a plugin holds one.
///
/// process() and set_drive() may be called on the audio thread: they neither allocate, lock, throw
/// nor call the system. All other members are for one other thread, such as that of the user
/// interface, and may be called while the audio thread is in process().
class Effect {
 public:
  /// channels       that process() gets: 1 is mono, 2 is stereo
  /// largest_block  samples of a channel in a call of process(), at most
  /// rate           samples per second
  Effect(int channels, int largest_block, double rate);
  ~Effect();  // when the audio thread no longer calls process()
  Effect(const Effect&) = delete;
  Effect& operator=(const Effect&) = delete;

  /// Changes to the model in a file's bytes, while the effect is running: the audio thread takes it
  /// in its next call, lets it run in, and cross-fades.
  ///
  /// Throws peephole::FileError for bytes that are no model file, and std::invalid_argument for a
  /// model that has not two inputs and one output; the effect then goes on as before.
  void load(const void* data, std::size_t size);

  /// Frees the models that the audio thread no longer uses. To be called now and then.
  void collect() noexcept;

  /// The position of the knob, 0 to 1; the effect follows it within some 20 ms.
  void set_drive(float drive) noexcept { drive_.store(drive, std::memory_order_relaxed); }

  /// Replaces the sound of each channel. Without a model it stays as it is.
  ///
  /// channels  one array of `samples` values for each channel
  void process(float* const* channels, int samples) noexcept;

 private:
  /// A model, with a state for each channel. The streams share its weights.
  struct Voice {
    std::vector<peephole::Stream<float>> streams;
  };

  void take_new_voice() noexcept;
  void follow_knob(int samples) noexcept;
  void run(Voice& voice, int channel, const float* sound, float* out, int samples) noexcept;
  void fade(int channel, float* sound, int samples) noexcept;
  void hand_back() noexcept;

  const int channels_, run_in_samples_, fade_samples_;
  const float smoothing_;
  std::atomic<float> drive_{0.5f};

  // Handed over between the threads, one at a time.
  std::atomic<Voice*> new_voice_{nullptr};   // to the audio thread
  std::atomic<Voice*> used_voice_{nullptr};  // back from it

  // Of the audio thread.
  Voice* voice_ = nullptr;      // what is heard
  Voice* fading_in_ = nullptr;  // the next one, running in or being faded in
  Voice* leaving_ = nullptr;    // waits to be handed back
  int fade_position_ = 0;       // negative while the new voice runs in
  float followed_drive_ = 0.5f;
  std::vector<float> knob_;    // (largest_block,)
  std::vector<float> inputs_;  // (largest_block, 2): sound and knob
  std::vector<float> faded_;   // (largest_block,)
};
