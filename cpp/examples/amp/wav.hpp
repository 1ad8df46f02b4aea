#pragma once

#include <cstdint>
#include <string>
#include <vector>

/// Samples of a WAV file. Only what the example needs: 16-bit PCM and 32-bit float, in the plain
/// form of the header.
struct Wav {
  std::uint32_t rate = 0;  // frames a second
  std::size_t channels = 0;
  std::vector<float> samples;  // (frames, channels), within ±1

  std::size_t frames() const { return samples.size() / channels; }
};

/// Throws std::runtime_error, naming the file, for one that cannot be read or is none of these.
Wav read_wav(const std::string& path);

/// Writes 32-bit float. Throws std::runtime_error.
void write_wav(const Wav& wav, const std::string& path);
