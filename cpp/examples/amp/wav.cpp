#include "wav.hpp"

#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

// RIFF: numbers are little-endian, as this machine's are taken to be.

namespace {

constexpr std::uint16_t kPcm = 1, kFloat = 3;
constexpr float kFullScale = 32768;

struct Format {
  std::uint16_t code = 0, channels = 0;
  std::uint32_t rate = 0, bytes_a_second = 0;
  std::uint16_t bytes_a_frame = 0, bits = 0;
};

[[noreturn]] void refuse(const std::string& path, const char* why) {
  throw std::runtime_error(path + ": " + why);
}

template <class T>
T number(const std::string& bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

template <class T>
void put(std::ostream& out, T value) {
  out.write(reinterpret_cast<const char*>(&value), sizeof value);
}

std::vector<float> samples_of(const std::string& bytes, const Format& format) {
  std::vector<float> samples(bytes.size() / (format.bits / 8));
  for (std::size_t n = 0; n < samples.size(); ++n) {
    samples[n] = format.code == kFloat ? number<float>(bytes, 4 * n)
                                       : number<std::int16_t>(bytes, 2 * n) / kFullScale;
  }
  return samples;
}

}  // namespace

Wav read_wav(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) refuse(path, "cannot be opened");
  const std::string file{std::istreambuf_iterator<char>(in), {}};
  if (file.size() < 12 || file.compare(0, 4, "RIFF") != 0 || file.compare(8, 4, "WAVE") != 0) {
    refuse(path, "is no WAV file");
  }
  Format format;
  for (std::size_t at = 12; at + 8 <= file.size();) {
    const std::string id = file.substr(at, 4);
    const std::size_t size = number<std::uint32_t>(file, at + 4);
    const std::string chunk = file.substr(at + 8, size);
    if (id == "fmt " && chunk.size() >= 16) {
      std::memcpy(&format, chunk.data(), 16);
    } else if (id == "data") {
      const bool known = (format.code == kPcm && format.bits == 16) ||
                         (format.code == kFloat && format.bits == 32);
      if (!known || format.channels == 0) refuse(path, "holds neither 16-bit PCM nor 32-bit float");
      Wav wav{format.rate, format.channels, samples_of(chunk, format)};
      wav.samples.resize(wav.frames() * wav.channels);
      return wav;
    }
    at += 8 + size + size % 2;
  }
  refuse(path, "has no samples");
}

void write_wav(const Wav& wav, const std::string& path) {
  std::ofstream out(path, std::ios::binary);
  const auto bytes = static_cast<std::uint32_t>(wav.samples.size() * sizeof(float));
  const auto frame = static_cast<std::uint16_t>(wav.channels * sizeof(float));
  out.write("RIFF", 4);
  put(out, 36 + bytes);
  out.write("WAVEfmt ", 8);
  put(out, std::uint32_t{16});
  put(out, kFloat);
  put(out, static_cast<std::uint16_t>(wav.channels));
  put(out, wav.rate);
  put(out, wav.rate * frame);
  put(out, frame);
  put(out, std::uint16_t{32});
  out.write("data", 4);
  put(out, bytes);
  out.write(reinterpret_cast<const char*>(wav.samples.data()), bytes);
  if (!out.flush()) refuse(path, "cannot be written");
}
