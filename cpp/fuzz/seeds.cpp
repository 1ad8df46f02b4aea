#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <string>

#include "files/foreign_files.hpp"
#include "files/hostile_files.hpp"
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
  const bool connected[] = {true, false, false, true, true, false, true, true};
  network.parameters().mask(0, connected);
  folder.add(serialise(network));
  folder.add(serialise(*network.lstm()));
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
  for (const test::HostileFile& file : test::hostile_files()) folder.add(file.bytes);

  Folder foreign(argv[2]);
  foreign.add(test::kNam);
  foreign.add(test::kRTNeural);
  for (const test::HostileText& file : test::hostile_nam()) foreign.add(file.text);
  for (const test::HostileText& file : test::hostile_rtneural()) foreign.add(file.text);
}
