#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

/// The bytes of a good model file, written out, and ways to change them.
namespace peephole::test {

inline constexpr std::size_t kLargestHeader = std::size_t{1} << 20;

inline const std::string kOptions =
    R"({\"input_size\":2,\"hidden_size\":[3],\"output_size\":1,\"peephole\":\"diagonal\",)"
    R"(\"peephole_gates\":\"ifgo\",\"output_peephole\":\"previous\",\"bias\":true,)"
    R"(\"activations\":[{\"i\":\"sigmoid\",\"g\":\"tanh\"}],\"coupled_input_forget\":false,)"
    R"(\"bidirectional\":false,\"head\":\"identity\",\"readout\":\"all\",\"dtype\":\"float32\"})";
inline const std::string kMetadata =
    R"("__metadata__":{"format":"peephole","format_version":"1","kind":"Network","options":")" +
    kOptions + R"("})";
inline const std::string kTensors =
    R"("bias_l0":{"dtype":"F32","shape":[12],"data_offsets":[0,48]},)"
    R"("head.bias":{"dtype":"F32","shape":[1],"data_offsets":[48,52]},)"
    R"("head.weight":{"dtype":"F32","shape":[1,3],"data_offsets":[52,64]},)"
    R"("weight_ch_l0":{"dtype":"F32","shape":[4,3],"data_offsets":[64,112]},)"
    R"("weight_hh_l0":{"dtype":"F32","shape":[12,3],"data_offsets":[112,256]},)"
    R"("weight_ih_l0":{"dtype":"F32","shape":[12,2],"data_offsets":[256,352]},)"
    R"("masks/weight_ih_l0":{"dtype":"BOOL","shape":[12,2],"data_offsets":[352,376]})";
inline const std::string kHeader = "{" + kMetadata + "," + kTensors + "}";
inline constexpr std::size_t kMaskedWeights = 256, kMask = 352;  // where they begin

inline std::string size_bytes(std::uint64_t size) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(size >> 8 * i & 0xFF);
  return bytes;
}

/// Little-endian on every machine. Every other weight of weight_ih_l0 is connected.
inline std::string good_values() {
  const std::string quarter("\x00\x00\x80\x3e", 4), zero(4, '\0');
  std::string values;
  for (std::size_t i = 0; i < kMask / sizeof(float); ++i) {
    const bool cut = i >= kMaskedWeights / sizeof(float) && i % 2 == 1;
    values += cut ? zero : quarter;
  }
  for (int i = 0; i < 24; ++i) values += static_cast<char>(i % 2 == 0);
  return values;
}

inline std::string join(const std::string& header, const std::string& values = good_values()) {
  return size_bytes(header.size()) + header + values;
}

/// `text` with the one place that reads `old` reading `changed`.
inline std::string edit(std::string text, const std::string& old, const std::string& changed) {
  const std::size_t at = text.find(old);
  if (at == std::string::npos || text.find(old, at + 1) != std::string::npos) {
    throw std::logic_error("not exactly once in the text: " + old);
  }
  return text.replace(at, old.size(), changed);
}

inline std::string repeat(const std::string& text, std::size_t count) {
  std::string all;
  all.reserve(text.size() * count);
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

/// `make(0)`, `make(1)` ... between `before` and `after`, as many as a header has room for.
template <class F>
inline std::string flood(const std::string& before, F&& make, const std::string& after) {
  std::string text = before;
  for (std::size_t i = 0;; ++i) {
    const std::string next = (i == 0 ? std::string() : ",") + make(i);
    if (text.size() + next.size() + after.size() > kLargestHeader) return text + after;
    text += next;
  }
}

}  // namespace peephole::test
