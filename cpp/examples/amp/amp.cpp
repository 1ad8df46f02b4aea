// An effect: plays a WAV file through a trained model, sample by sample, as an audio callback
// would.
//
//   amp MODEL.safetensors IN.wav OUT.wav
//
// Prints the load: the time taken as a share of the time that the sound lasts. train.py beside this
// file makes a model of an amplifier.
#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <vector>

#include "peephole/peephole.hpp"
#include "wav.hpp"

namespace {

using Stream = peephole::Stream<float>;

/// One for each channel: the weights are shared, the state is not.
std::vector<Stream> streams_of(const char* path, std::size_t channels) {
  const Stream first(peephole::load<peephole::Network<float>>(path));
  if (first.input_size() != 1 || first.output_size() != 1) {
    throw std::invalid_argument("model: expected one input and one output, got " +
                                std::to_string(first.input_size()) + " and " +
                                std::to_string(first.output_size()));
  }
  return std::vector<Stream>(channels, first);
}

/// Nothing in here allocates, locks or throws: it might run on a real-time thread.
void play(std::vector<Stream>& streams, Wav& wav) noexcept {
  float* sample = wav.samples.data();
  for (std::size_t frame = 0; frame < wav.frames(); ++frame) {
    for (Stream& stream : streams) {
      stream.step(sample, sample);
      ++sample;
    }
  }
}

void run(const char* model, const char* in, const char* out) {
  using Clock = std::chrono::steady_clock;
  Wav wav = read_wav(in);
  std::vector<Stream> streams = streams_of(model, wav.channels);
  const auto start = Clock::now();
  play(streams, wav);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  write_wav(wav, out);

  const double lasts = static_cast<double>(wav.frames()) / wav.rate;
  std::printf("%.2f s of sound in %.4f s: load %.3f %% of one core, %.0f ns a sample\n", lasts,
              seconds, 100 * seconds / lasts,
              1e9 * seconds / static_cast<double>(wav.samples.size()));
}

}  // namespace

int main(int count, char** arguments) try {
  if (count != 4) throw std::invalid_argument("usage: amp MODEL.safetensors IN.wav OUT.wav");
  run(arguments[1], arguments[2], arguments[3]);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
