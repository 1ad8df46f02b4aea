#include "peephole/interop.hpp"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "files/foreign_files.hpp"
#include "peephole/stream.hpp"
#include "support/allocated.hpp"
#include "support/arrays.hpp"
#include "support/check.hpp"
#include "support/folder.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

template <class T>
NamModel<T> nam_of(const std::string& text) {
  return load_nam<T>(text.data(), text.size());
}

template <class T>
std::variant<LSTM<T>, Network<T>> rtneural_of(const std::string& text) {
  return load_rtneural<T>(text.data(), text.size());
}

/// The parameter of this name holds `values`.
template <class T>
void check_parameter(const Parameters<T>& parameters, const std::string& name,
                     const std::vector<double>& values) {
  const Index i = parameters.find(name);
  CHECK(i >= 0 && parameters.specs()[at(i)].size() == static_cast<Index>(values.size()));
  for (std::size_t j = 0; j < values.size(); ++j) {
    CHECK(parameters.data(i)[j] == static_cast<T>(values[j]));
  }
}

/// The values of kNam are 0.1, 0.2, 0.3, ... in the order of the file.
template <class T>
void test_nam() {
  const NamModel<T> amp = nam_of<T>(kNam);
  const NetworkConfig& config = amp.network.config();
  CHECK(config.lstm.input_size == 2 && config.lstm.hidden_sizes == (std::vector<Index>{1, 1}));
  CHECK(config.lstm.peephole == Peephole::none && config.readout == Readout::all);
  CHECK(config.head == HeadActivation::identity && config.output_size == 1);
  const Parameters<T>& parameters = amp.network.parameters();
  check_parameter(parameters, "weight_ih_l0", {0.1, 0.2, 0.4, 0.5, 0.7, 0.8, 1.0, 1.1});
  check_parameter(parameters, "weight_hh_l0", {0.3, 0.6, 0.9, 1.2});
  check_parameter(parameters, "bias_l0", {1.3, 1.4, 1.5, 1.6});
  check_parameter(parameters, "weight_ih_l1", {1.9, 2.1, 2.3, 2.5});
  check_parameter(parameters, "weight_hh_l1", {2.0, 2.2, 2.4, 2.6});
  check_parameter(parameters, "bias_l1", {2.7, 2.8, 2.9, 3.0});
  check_parameter(parameters, "head.weight", {3.3});
  check_parameter(parameters, "head.bias", {3.4});
  check_parameter(parameters, "h0_l0", {1.7});
  check_parameter(parameters, "c0_l0", {1.8});
  check_parameter(parameters, "h0_l1", {3.1});
  check_parameter(parameters, "c0_l1", {3.2});
  CHECK(amp.sample_rate == 48000.0 && amp.loudness == -18.5 && amp.input_level_dbu == 12.0);
  CHECK(!amp.output_level_dbu);

  // A stream from the initial state gives what infer() gives from it.
  constexpr Index kSteps = 20;
  Random random(0);
  const std::vector<T> x = random.values<T>(kSteps * 2);
  std::vector<T> y(kSteps), expected(kSteps);
  const T h[] = {static_cast<T>(1.7), static_cast<T>(3.1)};
  const T c[] = {static_cast<T>(1.8), static_cast<T>(3.2)};
  const std::vector<StateView<const T>> initial = {{h, c, 1, 1}, {h + 1, c + 1, 1, 1}};
  amp.network.infer({contiguous(x.data(), 1, kSteps, 2), {}, initial},
                    {contiguous(expected.data(), 1, kSteps, 1)});
  Stream<T> stream(amp.network);
  for (int again = 0; again < 2; ++again) {
    stream.reset();
    stream.process(x.data(), y.data(), kSteps);
    CHECK(std::memcmp(y.data(), expected.data(), y.size() * sizeof(T)) == 0);
  }
}

void test_nam_without_extras() {
  const auto amp = nam_of<float>(edit(edit(kNam, kNamExtras, ""), "\"num_layers\"",
                                      "\"in_channels\": 2, \"out_channels\": 1, \"num_layers\""));
  CHECK(!amp.sample_rate && !amp.loudness && !amp.input_level_dbu && !amp.output_level_dbu);
  // Entries that are not used may have any value.
  const auto odd =
      nam_of<float>(edit(kNam, kNamExtras, R"("sample_rate": "high", "metadata": 3,)"));
  CHECK(!odd.sample_rate && !odd.loudness);
}

/// The values of kRTNeural are 1, 2, 3, ... in the order of the file.
void test_rtneural() {
  const auto model = rtneural_of<float>(kRTNeural);
  CHECK(std::holds_alternative<Network<float>>(model));
  const auto& network = std::get<Network<float>>(model);
  const NetworkConfig& config = network.config();
  CHECK(config.lstm.input_size == 2 && config.lstm.hidden_sizes == std::vector<Index>{1});
  CHECK(config.lstm.peephole == Peephole::none && config.readout == Readout::all);
  CHECK(config.head == HeadActivation::tanh && config.output_size == 2);
  const Parameters<float>& parameters = network.parameters();
  check_parameter(parameters, "weight_ih_l0", {1, 5, 2, 6, 3, 7, 4, 8});
  check_parameter(parameters, "weight_hh_l0", {9, 10, 11, 12});
  check_parameter(parameters, "bias_l0", {13, 14, 15, 16});
  check_parameter(parameters, "head.weight", {17, 18});
  check_parameter(parameters, "head.bias", {19, 20});

  const auto without_bias = rtneural_of<double>(edit(kRTNeural, ", [19, 20]", ""));
  check_parameter(std::get<Network<double>>(without_bias).parameters(), "head.bias", {0, 0});
  const auto alone = rtneural_of<double>(edit(kRTNeural, kDense, ""));
  check_parameter(std::get<LSTM<double>>(alone).parameters(), "bias_l0", {13, 14, 15, 16});
}

void test_dense_input() {
  const auto read = [](const std::string& first) {
    auto model = rtneural_of<double>(edit(kRTNeural, kRTNeuralLSTM, first + ", " + kRTNeuralLSTM));
    return std::get<Network<double>>(std::move(model));
  };
  const Network<double> network = read(kFirstDense);
  CHECK(network.config().lstm.input_size == 2 && network.config().input_dense_size == Index{2});
  CHECK(network.config().input_activation == Activation::relu);
  check_parameter(network.parameters(), "input.weight", {21, 23, 22, 24});
  check_parameter(network.parameters(), "input.bias", {25, 26});
  check_parameter(network.parameters(), "weight_ih_l0", {1, 5, 2, 6, 3, 7, 4, 8});
  check_parameter(network.parameters(), "head.weight", {17, 18});

  const std::string bare = edit(edit(kFirstDense, ", [25, 26]", ""), "relu", "");
  const Network<double> without_bias = read(bare);
  CHECK(without_bias.config().input_activation == Activation::identity);
  check_parameter(without_bias.parameters(), "input.bias", {0, 0});
  const std::string activation = R"(, {"type": "activation", "activation": "tanh"})";
  CHECK(read(bare + activation).config().input_activation == Activation::tanh);
}

void test_heads() {
  const std::string dense = R"("activation": "tanh", "shape": [null, null, 2])";
  const auto head_of = [&](const std::string& activation, const std::string& after) {
    const std::string text = edit(kRTNeural, dense, activation + R"("shape": [2])");
    const auto model = rtneural_of<float>(edit(text, "[19, 20]]}", "[19, 20]]}" + after));
    return std::get<Network<float>>(model).config().head;
  };
  CHECK(head_of("", "") == HeadActivation::identity);
  CHECK(head_of(R"("activation": "",)", "") == HeadActivation::identity);
  CHECK(head_of(R"("activation": "sigmoid",)", "") == HeadActivation::sigmoid);
  CHECK(head_of("", R"(, {"type": "activation", "activation": "softmax"})") ==
        HeadActivation::softmax);
}

/// JSON has these liberties.
void test_forms_of_json() {
  CHECK(nam_of<float>("\xEF\xBB\xBF" + kNam).network.config().output_size == 1);
  CHECK(nam_of<float>(edit(kNam, "\"num_layers\"", "\"num_layers\": 7, \"num_layers\""))
            .network.config()
            .lstm.layers() == 2);
  const auto other = nam_of<double>(edit(kNam, "[0.1, 0.2,", "[18446744073709551616, -2E-1,"));
  CHECK(other.network.parameters().data(0)[0] == 18446744073709551616.0);
  CHECK(other.network.parameters().data(0)[1] == -0.2);
  const std::string deep = repeat("[", 100'000) + repeat("]", 100'000);
  CHECK(nam_of<float>(edit(kNam, "\"gear\"", deep)).network.config().lstm.layers() == 2);
}

void test_from_a_file() {
  const Folder folder;
  write(folder / "amp.nam", kNam);
  check_parameter(load_nam<float>(folder / "amp.nam").network.parameters(), "h0_l1", {3.1});
  write(folder / "amp.json", kRTNeural);
  CHECK(load_rtneural<float>(folder / "amp.json").index() == 1);
  write(folder / "broken.nam", kRTNeural);
  const auto complaint = check::complaint<FileError>(
      [&] { load_nam<float>(folder / "broken.nam"); }, "broken.nam: file: there is no");
  check::note(complaint.empty(), __FILE__, __LINE__, complaint);
  bool thrown = false;
  try {
    load_rtneural<float>(folder / "absent");
  } catch (const std::filesystem::filesystem_error&) {
    thrown = true;
  }
  CHECK(thrown);
}

/// Refuses a text for the reason given, with memory in proportion to the text only.
template <class F>
void check_refused(const HostileText& file, F&& load) {
  constexpr std::size_t kPerByte = 200, kSmall = 16'384;
  const std::size_t before = allocated;
  most_allocated = before;
  const std::string complaint = check::complaint<FileError>([&] { load(file.text); }, file.said);
  const std::size_t memory = most_allocated - before;
  check::note(complaint.empty(), __FILE__, __LINE__, file.name + ": " + complaint);
  check::note(memory <= kPerByte * file.text.size() + kSmall, __FILE__, __LINE__,
              file.name + ": took " + std::to_string(memory) + " bytes");
}

/// No part of a file is a file, and no changed byte does harm.
template <class F>
void check_damaged(const std::string& good, F&& load) {
  const auto refused = [&](const std::string& text) {
    try {
      load(text);
    } catch (const FileError&) {
      return true;
    }
    return false;
  };
  for (std::size_t size = 0; size < good.size(); ++size) CHECK(refused(good.substr(0, size)));
  std::size_t harmless = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const char other : std::string("\"{}[],:0-9eN \\\x80\0", 16)) {
      std::string text = good;
      text[i] = other;
      harmless += refused(text) ? 0 : 1;
    }
  }
  CHECK(harmless > 0);
}

}  // namespace

int main() {
  test_nam<float>();
  test_nam<double>();
  test_nam_without_extras();
  test_rtneural();
  test_heads();
  test_dense_input();
  test_forms_of_json();
  test_from_a_file();
  for (const HostileText& file : hostile_nam()) check_refused(file, nam_of<float>);
  for (const HostileText& file : hostile_rtneural()) check_refused(file, rtneural_of<float>);
  check_damaged(kNam, nam_of<float>);
  check_damaged(kRTNeural, rtneural_of<float>);
  return check::report();
}
