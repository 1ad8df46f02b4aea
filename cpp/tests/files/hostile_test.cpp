#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>

#include "files/hostile_files.hpp"
#include "files/hostile_metadata.hpp"
#include "peephole/files.hpp"
#include "support/allocated.hpp"
#include "support/check.hpp"

using namespace peephole;
using peephole::test::allocated;
using peephole::test::most_allocated;

namespace {

/// Of memory beside the file's own bytes, and of processor time.
constexpr std::size_t kMostMemory = std::size_t{16} << 20;
constexpr double kMostSeconds = 0.05;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(NDEBUG)
constexpr double kSlower = 20;  // what sanitizers and assertions cost
#else
constexpr double kSlower = 1;
#endif

struct Cost {
  std::size_t memory = 0;
  double seconds = 0;
};

/// Runs `load`, which has to refuse, and notes what the refusal took.
template <class F>
void check_refused(const std::string& name, F&& load, Cost& worst) {
  const std::size_t before = allocated;
  most_allocated = before;
  const std::clock_t begin = std::clock();
  std::string complaint = "nothing thrown";
  try {
    load();
  } catch (const FileError& error) {
    complaint = std::strlen(error.what()) < 1000 ? "" : "an endless message";
  } catch (const std::exception& error) {
    complaint = std::string("another exception: ") + error.what();
  }
  double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  const std::size_t memory = most_allocated - before, kept = allocated - before;
  // What a busy machine adds is not the loader's: the least of some times counts.
  for (int again = 0; again < 3 && seconds > kMostSeconds * kSlower; ++again) {
    const std::clock_t start = std::clock();
    try {
      load();
    } catch (const std::exception&) {
      seconds = std::min(seconds, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
    }
  }
  check::note(complaint.empty(), __FILE__, __LINE__, name + ": " + complaint);
  check::note(memory <= kMostMemory, __FILE__, __LINE__,
              name + ": took " + std::to_string(memory) + " bytes");
  check::note(seconds <= kMostSeconds * kSlower, __FILE__, __LINE__,
              name + ": took " + std::to_string(seconds) + " s");
  check::note(kept == 0, __FILE__, __LINE__, name + ": kept " + std::to_string(kept) + " bytes");
  worst = {std::max(worst.memory, memory), std::max(worst.seconds, seconds)};
}

/// An LSTM of one layer with a mask, which the last weight contradicts.
std::string large_contradiction() {
  LSTMConfig config;
  config.hidden_sizes = {1000};
  config.peephole = Peephole::none;
  config.bias = false;  // so that weight_hh is the last of the floats, before its mask
  LSTM<float> lstm(config, uninitialised);
  const Index i = lstm.parameters().find("weight_hh_l0");
  const auto size = static_cast<std::size_t>(lstm.parameters().specs()[1].size());
  const auto connected = std::make_unique<bool[]>(size);
  lstm.parameters().mask(i, connected.get());
  std::string bytes = serialise(lstm);
  bytes[bytes.size() - size - 1] = 1;
  return bytes;
}

}  // namespace

int main() {
  CHECK(std::holds_alternative<Network<float>>(
      load(test::good_file().data(), test::good_file().size())));

  std::vector<test::HostileFile> files = test::hostile_files();
  files.push_back({"values: a large file that ends wrong", large_contradiction()});
  const std::string added = test::with_metadata("\"metadata/rate\":\"48000\"");
  CHECK(std::holds_alternative<Network<float>>(load(added.data(), added.size())));
  for (test::HostileFile& file : test::hostile_metadata()) files.push_back(std::move(file));
  CHECK(files.size() >= 70);

  const auto path = std::filesystem::temp_directory_path() /
                    ("peephole-hostile-" + std::to_string(std::time(nullptr)));
  Cost from_memory, from_file;
  for (const test::HostileFile& file : files) {
    check_refused(file.name, [&] { load(file.bytes.data(), file.bytes.size()); }, from_memory);
    std::ofstream(path, std::ios::binary) << file.bytes;
    check_refused(file.name + ", from a file", [&] { load(path); }, from_file);
  }
  std::filesystem::remove(path);
  std::printf("%zu files; at most %.0f KiB and %.1f ms, from disk %.0f KiB and %.1f ms\n",
              files.size(), static_cast<double>(from_memory.memory) / 1024,
              1e3 * from_memory.seconds, static_cast<double>(from_file.memory) / 1024,
              1e3 * from_file.seconds);
  return check::report();
}
