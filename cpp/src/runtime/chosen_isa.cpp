#include "runtime/chosen_isa.hpp"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#include "peephole/runtime.hpp"

namespace peephole {
namespace {

constexpr const char* kReference = "reference";
constexpr int kNoKernels = -1;

int parse(const char* argument, const std::string& name) {
  if (name == kReference) return kNoKernels;
  std::string known;
  for (Isa isa : available_isas()) {
    if (name == to_string(isa)) return static_cast<int>(isa);
    known += to_string(isa) + std::string(", ");
  }
  throw std::invalid_argument(std::string(argument) + ": expected one of " + known + kReference +
                              ", got \"" + name + "\"");
}

std::atomic<int>& chosen() {
  static std::atomic<int> isa = [] {
    const char* name = std::getenv("PEEPHOLE_ISA");
    return name ? parse("PEEPHOLE_ISA", name) : static_cast<int>(available_isas().back());
  }();
  return isa;
}

}  // namespace

std::optional<Isa> kernel_isa() {
  const int isa = chosen();
  if (isa == kNoKernels) return std::nullopt;
  return static_cast<Isa>(isa);
}

std::string isa() {
  const std::optional<Isa> isa = kernel_isa();
  return isa ? to_string(*isa) : kReference;
}

void set_isa(const std::string& name) { chosen() = parse("isa", name); }

std::vector<std::string> isas() {
  std::vector<std::string> names;
  for (Isa isa : available_isas()) names.emplace_back(to_string(isa));
  names.emplace_back(kReference);
  return names;
}

}  // namespace peephole
