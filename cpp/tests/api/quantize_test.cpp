// Quantized models through the public interface: inference on every instruction set, streams,
// files, and what they refuse.

#include "peephole/quantize.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "peephole/peephole.hpp"
#include "support/arrays.hpp"
#include "support/check.hpp"

namespace peephole {
namespace {

constexpr Index kBatch = 3, kTime = 7, kInputs = 20, kUnits = 37, kTopUnits = 9;
constexpr Quantization kAll[] = {Quantization::int16, Quantization::int8, Quantization::int8_fast};

NetworkConfig config_of(Peephole peephole) {
  NetworkConfig config;
  config.lstm.input_size = kInputs;
  config.lstm.hidden_sizes = {kUnits, kTopUnits};
  config.lstm.peephole = peephole;
  config.output_size = 2;
  return config;
}

std::vector<float> input() {
  std::vector<float> x(kBatch * kTime * kInputs);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 37 % 101) / 50.0f - 1.0f;
  return x;
}

template <class Model>
std::vector<float> infer(const Model& model, const std::vector<float>& x, Index outputs_size = 2) {
  std::vector<float> y(static_cast<std::size_t>(kBatch * kTime * outputs_size));
  Call<float> call;
  call.x = contiguous<const float>(x.data(), kBatch, kTime, kInputs);
  Outputs<float> outputs;
  outputs.y = contiguous(y.data(), kBatch, kTime, outputs_size);
  model.infer(call, outputs);
  return y;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// Also that the bits of the layers do not depend on the instruction set, and the results little on
/// rounding.
void infers_on_every_instruction_set() {
  const std::vector<float> x = input();
  for (const Peephole peephole : {Peephole::none, Peephole::diagonal, Peephole::dense}) {
    const Network<float> network(config_of(peephole), /*seed=*/1);
    const std::vector<float> exact = infer(network, x);
    for (const Quantization quantization : kAll) {
      const Network<float> quantized = quantize(network, quantization);
      CHECK(quantized.config().lstm.quantization == quantization);
      const std::vector<float> y = infer(quantized, x);
      const double tolerance = quantization == Quantization::int16 ? 1e-3 : 2e-2;
      bool equal = true;
      for (std::size_t i = 0; i < y.size(); ++i) {
        CHECK_CLOSE(y[i], exact[i], tolerance);
        equal = equal && y[i] == exact[i];
      }
      CHECK(!equal);
      const std::string chosen = isa();
      const std::vector<float> h = infer(*quantized.lstm(), x, kTopUnits);
      for (const std::string& name : isas()) {
        set_isa(name);
        CHECK(same_bits(infer(*quantized.lstm(), x, kTopUnits), h));
      }
      set_isa(chosen);
    }
  }
}

void streams_have_the_bits_of_inference() {
  const std::vector<float> x = input();
  const Network<float> network(config_of(Peephole::diagonal), /*seed=*/1);
  for (const Quantization quantization : kAll) {
    const Network<float> quantized = quantize(network, quantization);
    const std::vector<float> y = infer(quantized, x);
    Stream<float> stream(quantized, kBatch);
    std::vector<float> streamed(y.size());
    stream.process(x.data(), streamed.data(), kTime);
    CHECK(same_bits(streamed, y));
    Stream<float> single(quantized);
    for (Index t = 0; t < kTime; ++t) {
      float of_step[2];
      single.step(x.data() + t * kInputs, of_step);
      CHECK(std::memcmp(of_step, y.data() + t * 2, sizeof of_step) == 0);
    }
  }
}

void files_keep_the_integers() {
  const std::vector<float> x = input();
  const Network<float> network(config_of(Peephole::dense), /*seed=*/1);
  const std::size_t whole = serialise(network).size();
  for (const Quantization quantization : kAll) {
    const Network<float> quantized = quantize(network, quantization);
    const std::string bytes = serialise(quantized);
    CHECK(bytes.size() < whole * 7 / 10);  // the header is a third of so small a file
    const auto loaded = load<Network<float>>(bytes.data(), bytes.size());
    CHECK(same_bits(infer(loaded, x), infer(quantized, x)));
    CHECK(options_text(loaded).find(to_string(quantization)) != std::string::npos);
    std::string forged = bytes;
    std::fill(forged.end() - 2000, forged.end(), '\x80');  // -128, or beyond the bound
    const auto load_forged = [&] { load<Network<float>>(forged.data(), forged.size()); };
    CHECK(check::complaint<FileError>(load_forged, "overflow").empty());
  }
}

void refuses_what_cannot_be() {
  const Network<float> network(config_of(Peephole::diagonal), /*seed=*/1);
  Network<float> quantized = quantize(network, Quantization::int8);
  CHECK_THROWS(quantize(quantized, Quantization::int8), "model");
  CHECK_THROWS(dequantize(network), "model");
  CHECK_THROWS(initialise(quantized, 1), "quantization");
  CHECK_THROWS(Optimiser<float>(quantized.parameters(), Adam{}, 1e-3), "parameters");
  Tape<float> tape;
  const std::vector<float> x = input();
  std::vector<float> y(kBatch * kTime * 2);
  Call<float> call;
  call.x = contiguous<const float>(x.data(), kBatch, kTime, kInputs);
  Outputs<float> outputs;
  outputs.y = contiguous(y.data(), kBatch, kTime, 2);
  CHECK_THROWS(quantized.forward(call, outputs, tape), "for inference only");
  quantized.trace(call, outputs, tape);
  CHECK(same_bits(y, infer(quantized, x)));
  NetworkConfig config = config_of(Peephole::diagonal);
  config.lstm.quantization = Quantization::int16;
  CHECK_THROWS(Network<double>(config, uninitialised), "quantization");
  config.lstm.layer_norm = LayerNorm::gates;
  validate(config);
  config.lstm.zoneout = 0.1;
  CHECK_THROWS(validate(config), "quantization");
}

void dequantizes() {
  const Network<double> network(config_of(Peephole::diagonal), /*seed=*/1);
  const Network<float> back = dequantize(quantize(network, Quantization::int16));
  CHECK(!back.config().lstm.quantization);
  for (Index i = 0; i < static_cast<Index>(back.parameters().specs().size()); ++i) {
    const Index size = back.parameters().specs()[static_cast<std::size_t>(i)].size();
    for (Index j = 0; j < size; ++j) {
      CHECK_CLOSE(back.parameters().data(i)[j], network.parameters().data(i)[j], 1e-4);
    }
  }
}

}  // namespace
}  // namespace peephole

int main() {
  peephole::infers_on_every_instruction_set();
  peephole::streams_have_the_bits_of_inference();
  peephole::files_keep_the_integers();
  peephole::refuses_what_cannot_be();
  peephole::dequantizes();
  return check::report();
}
