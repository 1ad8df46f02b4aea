#include <memory>

#include "peephole/peephole.hpp"
#include "support/check.hpp"

using namespace peephole;

namespace {

/// Makes a model, saves and loads it before main() begins: no constant of the library may need a
/// constructor of its own, which might not have run yet.
struct Global {
  std::unique_ptr<Network<float>> network;

  Global() {
    NetworkConfig config;
    config.lstm.hidden_sizes = {3};
    Network<float> made(config, /*seed=*/0);
    const bool connected[] = {true, false, true, true, true, true,
                              true, true,  true, true, true, true};
    made.parameters().mask(0, connected);
    const std::string bytes = serialise(made);
    network = std::make_unique<Network<float>>(load<Network<float>>(bytes.data(), bytes.size()));
  }
};

const Global global;

}  // namespace

int main() {
  CHECK(global.network != nullptr);
  CHECK(global.network->parameters().masked(0));
  return check::report();
}
