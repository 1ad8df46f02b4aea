#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <variant>

#include "peephole/files.hpp"

/// The loader under libFuzzer: whatever the bytes, a FileError or a model; and a model, saved and
/// loaded once more, has the same bytes again.

namespace {

constexpr std::size_t kSizeBytes = 8;

std::uint64_t header_size(const std::uint8_t* data) {
  std::uint64_t size = 0;
  for (std::size_t i = kSizeBytes; i-- > 0;) size = size << 8 | data[i];
  return size;
}

void write_header_size(std::uint8_t* data, std::uint64_t size) {
  for (std::size_t i = 0; i < kSizeBytes; ++i) data[i] = static_cast<std::uint8_t>(size >> 8 * i);
}

std::string serialised(const peephole::AnyModel& model) {
  return std::visit([](const auto& held) { return peephole::serialise(held); }, model);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes;
  try {
    bytes = serialised(peephole::load(data, size));
  } catch (const peephole::FileError&) {
    return 0;
  }
  if (serialised(peephole::load(bytes.data(), bytes.size())) != bytes) std::abort();
  return 0;
}

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

/// Changes the header and has its size follow, most of the time: a wrong size is found at once, and
/// nothing behind it would be reached.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned int seed) {
  if (size < kSizeBytes || header_size(data) > size - kSizeBytes || seed % 8 == 0) {
    return LLVMFuzzerMutate(data, size, most);
  }
  const auto old = static_cast<std::size_t>(header_size(data));
  const std::size_t values = size - kSizeBytes - old;
  std::string header(reinterpret_cast<const char*>(data) + kSizeBytes, old);
  const std::size_t room = most - kSizeBytes - values;
  header.resize(room);
  header.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(header.data()), old, room));
  std::memmove(data + kSizeBytes + header.size(), data + kSizeBytes + old, values);
  std::memcpy(data + kSizeBytes, header.data(), header.size());
  write_header_size(data, header.size());
  return kSizeBytes + header.size() + values;
}
