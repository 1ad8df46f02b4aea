#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <variant>

#include "peephole/interop.hpp"

/// The readers of foreign JSON files under libFuzzer: whatever the bytes, a FileError or a model
/// with finite parameters.
namespace {

template <class T>
void check(const peephole::Parameters<T>& parameters) {
  for (std::size_t i = 0; i < parameters.specs().size(); ++i) {
    const auto index = static_cast<peephole::Index>(i);
    for (peephole::Index j = 0; j < parameters.specs()[i].size(); ++j) {
      if (!std::isfinite(parameters.data(index)[j])) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    check(peephole::load_nam<float>(data, size).network.parameters());
  } catch (const peephole::FileError&) {
  }
  try {
    std::visit([](const auto& model) { check(model.parameters()); },
               peephole::load_rtneural<float>(data, size));
  } catch (const peephole::FileError&) {
  }
  return 0;
}
