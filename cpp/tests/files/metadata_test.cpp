// What a caller stores beside a model comes back: from memory, from a file, with any kind of model.

#include <filesystem>
#include <random>
#include <string>

#include "files/foreign_files.hpp"
#include "peephole/peephole.hpp"
#include "support/check.hpp"

using namespace peephole;

namespace {

LSTM<double> small() {
  LSTMConfig config;
  config.hidden_sizes = {2};
  return LSTM<double>(config, 0);
}

const Metadata kTexts = {{"sample_rate", "48000"}, {"name", "r\u00f6hre \"2\""}, {"format", ""}};

template <class F>
void check_refused(F&& f, const char* fragment) {
  const std::string complaint = check::complaint<FileError>(f, fragment);
  check::note(complaint.empty(), __FILE__, __LINE__, complaint);
}

void comes_back() {
  const auto lstm = small();
  const std::string bytes = serialise(lstm, kTexts);
  Metadata read = {{"old", "text"}};
  load(bytes.data(), bytes.size(), &read);
  CHECK(read == kTexts);
  load<LSTM<double>>(bytes.data(), bytes.size(), &read);
  CHECK(read == kTexts);

  check_refused([&] { load<LSTM<float>>(bytes.data(), bytes.size(), &read); },
                "expected an LSTM of float32, got an LSTM of float64");
  check_refused([&] { load<Network<double>>(bytes.data(), bytes.size(), &read); },
                "expected a Network of float64, got an LSTM of float64");
  CHECK(read == kTexts);

  const auto path = std::filesystem::temp_directory_path() /
                    ("peephole-metadata-" + std::to_string(std::random_device{}()));
  save(lstm, path, kTexts);
  read.clear();
  load(path, &read);
  CHECK(read == kTexts);
  save(load<LSTM<double>>(path, nullptr), path);
  load(path, &read);
  CHECK(read.empty());
  std::filesystem::remove(path);
}

void is_checked() {
  const auto lstm = small();
  const auto saved = [&](const Metadata& metadata) { return serialise(lstm, metadata); };
  CHECK_THROWS(saved({{"", "text"}}), "metadata: expected names");
  CHECK_THROWS(saved({{"name", std::string("a\0b", 3)}}), "metadata[\"name\"]: expected text");
  CHECK_THROWS(saved({{"name", "\xFF"}}), "metadata[\"name\"]: expected UTF-8");
  CHECK_THROWS(saved({{"\xC3(", "text"}}), "metadata: expected UTF-8");
  Metadata many;
  for (std::size_t i = 0; i <= kMostMetadata; ++i) many[std::to_string(i)] = "text";
  CHECK_THROWS(saved(many), "at most 50 entries, got 51");
  many.erase(many.begin());
  const std::string bytes = saved(many);
  Metadata read;
  load(bytes.data(), bytes.size(), &read);
  CHECK(read == many);
  check_refused([&] { saved({{"name", std::string(std::size_t{1} << 20, 'a')}}); }, "header");
}

void of_nam() {
  const Metadata expected = {
      {"sample_rate", "48000"}, {"loudness", "-18.5"}, {"input_level_dbu", "12"}, {"name", "gear"}};
  const auto capture = load_nam<float>(test::kNam.data(), test::kNam.size());
  CHECK(capture.metadata == expected);
  const std::string bytes = serialise(capture.network, capture.metadata);
  Metadata read;
  load(bytes.data(), bytes.size(), &read);
  CHECK(read == expected);

  const std::string odd = R"("sample_rate": [1], "metadata": {"a": {}, "b": [1], "c": null, )"
                          R"("d": true, "e": "\u0000", "": "f", "g": 1e3},)";
  const std::string file = test::edit(test::kNam, test::kNamExtras, odd);
  CHECK((load_nam<float>(file.data(), file.size()).metadata ==
         Metadata{{"d", "true"}, {"g", "1000.0"}}));
}

}  // namespace

int main() {
  comes_back();
  is_checked();
  of_nam();
  CHECK(options_text(small()).find("\"hidden_size\":[2]") != std::string::npos);
  return check::report();
}
