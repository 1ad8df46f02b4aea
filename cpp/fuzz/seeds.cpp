#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "files/foreign_files.hpp"
#include "files/hostile_files.hpp"
#include "peephole/options.hpp"
#include "peephole/peephole.hpp"

/// Writes the files that fuzzing begins with to the two folders that the arguments name: small
/// models of every option, and foreign files; in both also the hostile files that are short enough
/// to be worth changing.
namespace {

using namespace peephole;

constexpr std::size_t kLongest = 4096;

class Folder {
 public:
  explicit Folder(std::filesystem::path path) : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
  }

  void add(const std::string& bytes) {
    if (bytes.size() > kLongest) return;
    std::ofstream(path_ / std::to_string(count_++), std::ios::binary) << bytes;
  }

 private:
  std::filesystem::path path_;
  int count_ = 0;
};

template <class T>
void add_models(Folder& folder, const NetworkConfig& config) {
  Network<T> network(config, uninitialised);
  folder.add(serialise(network));
  initialise(network, 0);
  const auto size = static_cast<std::size_t>(network.parameters().specs()[0].size());
  const auto connected = std::make_unique<bool[]>(size);
  for (std::size_t i = 0; i < size; ++i) connected[i] = i % 3 != 1;
  network.parameters().mask(0, connected.get());
  folder.add(serialise(network));
  folder.add(serialise(*network.lstm()));
}

/// Gives an option a value other than its default. The compiler refuses an option of a type that
/// is not here.
void change(bool& value) { value = !value; }
void change(double& value) { value = 0.25; }
void change(std::optional<double>& value) { value = 0.5; }
void change(std::optional<Index>& value) { value = 1; }
void change(GateSet& value) { value = parse_gates("fo"); }
void change(std::vector<Activations>& value) { value.resize(1); }

template <class Enum, class = std::enable_if_t<std::is_enum_v<Enum>>>
void change(Enum& value) {
  // The first name of another value.
  for (const Name<Enum>& name : names<Enum>()) {
    if (name.value != value) {
      value = name.value;
      return;
    }
  }
}

template <class Enum, class = std::enable_if_t<std::is_enum_v<Enum>>>
void change(std::optional<Enum>& value) {
  Enum changed = value.value_or(names<Enum>()[0].value);
  change(changed);
  value = changed;
}

/// A model for each option of the list.
void add_options(Folder& folder) {
  NetworkConfig base;
  base.lstm.hidden_sizes = {2};
  base.lstm.layer_norm = LayerNorm::gates;  // so that the others of its options have a meaning
  base.lstm.projection_size = 1;            // projection_clip needs it
  base.input_dense_size = 2;                // input_activation needs it
  add_models<float>(folder, base);
  for_each_option(base, [&](const auto& option, const auto&) {
    if (std::string(option.name) == "quantization") return;  // see add_quantized()
    NetworkConfig config = base;
    for_each_option(config, [&](const auto& other, auto& value) {
      if (std::string(other.name) == option.name) change(value);
    });
    add_models<float>(folder, config);
  });
}

/// Quantized models, whose matrices of the second layer are all integers.
void add_quantized(Folder& folder) {
  NetworkConfig config;
  config.lstm.hidden_sizes = {2, 2};
  config.lstm.peephole = Peephole::dense;
  config.lstm.projection_size = 1;
  const Network<float> network(config, /*seed=*/0);
  for (const Name<Quantization>& name : names<Quantization>()) {
    const Network<float> quantized = quantize(network, name.value);
    folder.add(serialise(quantized));
    folder.add(serialise(*quantized.lstm()));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  Folder folder(argv[1]);
  folder.add(test::good_file());
  NetworkConfig config;
  config.lstm.input_size = 2;
  for (const Peephole peephole : {Peephole::none, Peephole::diagonal, Peephole::dense}) {
    for (const bool bidirectional : {false, true}) {
      config.lstm.hidden_sizes.assign(bidirectional ? 2 : 1, 1);
      config.lstm.peephole = peephole;
      config.lstm.bidirectional = bidirectional;
      config.lstm.bias = !bidirectional;
      config.lstm.peephole_gates = bidirectional ? parse_gates("fo") : GateSet::all();
      add_models<float>(folder, config);
      add_models<double>(folder, config);
    }
  }
  add_options(folder);
  add_quantized(folder);
  for (const test::HostileFile& file : test::hostile_files()) folder.add(file.bytes);

  Folder foreign(argv[2]);
  foreign.add(test::kNam);
  foreign.add(test::kRTNeural);
  for (const test::HostileText& file : test::hostile_nam()) foreign.add(file.text);
  for (const test::HostileText& file : test::hostile_rtneural()) foreign.add(file.text);
}
