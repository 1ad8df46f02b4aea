#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "api/c_api_calls.h"
#include "files/foreign_files.hpp"
#include "peephole/peephole.hpp"
#include "support/arrays.hpp"
#include "support/check.hpp"
#include "support/folder.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

constexpr Index kSteps = 20;

/// A network, and what it makes of some steps.
template <class T>
struct Example {
  Network<T> network;
  std::vector<T> x, y;  // (T, I), (T, O)

  explicit Example(const NetworkConfig& config)
      : network(config, /*seed=*/0), y(at(kSteps * config.output_size)) {
    Random random(1);
    x = random.values<T>(kSteps * config.lstm.input_size);
    network.infer({contiguous<const T>(x.data(), 1, kSteps, config.lstm.input_size)},
                  {contiguous(y.data(), 1, kSteps, config.output_size)});
  }
};

}  // namespace

int main() {
  const auto folder = std::filesystem::temp_directory_path() /
                      ("peephole-c-" + std::to_string(std::random_device{}()));
  std::filesystem::create_directory(folder);
  const auto path = [&](const char* name) { return (folder / name).u8string(); };

  NetworkConfig config;
  config.lstm.input_size = 2;
  config.lstm.hidden_sizes = {5, 4};
  config.output_size = 3;
  const Example<float> narrow(config);
  save(narrow.network, folder / "float");
  check_float(path("float").c_str(), narrow.x.data(), narrow.y.data(), at(kSteps));
  const Example<double> wide(config);
  const std::string bytes = serialise(wide.network);
  check_double(bytes.data(), bytes.size(), wide.x.data(), wide.y.data(), at(kSteps));

  write(folder / "amp.nam", kNam);
  write(folder / "amp.json", kRTNeural);
  const auto amp = load_nam<float>(folder / "amp.nam");
  std::vector<float> y_nam(at(kSteps)), y_rtneural(at(2 * kSteps));
  Stream<float> stream(amp.network);
  stream.process(narrow.x.data(), y_nam.data(), kSteps);
  Stream<float>(std::get<Network<float>>(load_rtneural<float>(folder / "amp.json")))
      .process(narrow.x.data(), y_rtneural.data(), kSteps);
  check_foreign(path("amp.nam").c_str(), path("amp.json").c_str(), narrow.x.data(), y_nam.data(),
                y_rtneural.data(), at(kSteps));

  config.lstm.projection_size = 3;
  const Example<float> projected(config);
  save(projected.network, folder / "projected", {{"name", "small"}, {"sample_rate", "44100.5"}});
  check_about(path("projected").c_str(), kNam.data(), kNam.size(), PEEPHOLE_TEST_VERSION);
  check_state(path("projected").c_str(), projected.x.data(), projected.y.data(), at(kSteps));

  config.lstm.bidirectional = true;
  save(Network<float>(config, 0), folder / "bidirectional");
  std::ofstream(folder / "foreign") << "no model";
  check_refusals(path("bidirectional").c_str(), path("absent").c_str(), path("foreign").c_str());

  std::filesystem::remove_all(folder);
  CHECK(c_api_failures() == 0);
  return check::report();
}
