#include "runtime/isa_choice.hpp"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#include "peephole/runtime.hpp"

namespace peephole {
namespace {

constexpr const char* kReference = "reference";

constexpr int kSourceBits = 2;

/// A choice as one number, which can be read and written atomically.
int encode(IsaChoice choice) noexcept {
  const int isa = choice.kernels ? static_cast<int>(choice.isa) + 1 : 0;
  return isa << kSourceBits | static_cast<int>(choice.source);
}

IsaChoice decode(int number) noexcept {
  const int isa = number >> kSourceBits;
  const auto source = static_cast<IsaChoice::Source>(number & ((1 << kSourceBits) - 1));
  return {isa != 0, isa != 0 ? static_cast<Isa>(isa - 1) : Isa::baseline, source};
}

/// Throws Error for another name than those of isas().
template <class Error>
IsaChoice parse(const char* argument, const std::string& name, IsaChoice::Source source) {
  if (name == kReference) return {false, Isa::baseline, source};
  std::string known;
  for (Isa isa : available_isas()) {
    if (name == to_string(isa)) return {true, isa, source};
    known += to_string(isa) + std::string(", ");
  }
  throw Error(std::string(argument) + ": expected one of " + known + kReference + ", got \"" +
              name + "\"");
}

constexpr int kNotChosen = -1;
std::atomic<int> choice{kNotChosen};

int isa_at_start() {
  const char* const name = std::getenv("PEEPHOLE_ISA");
  return encode(name ? parse<EnvironmentError>("PEEPHOLE_ISA", name, IsaChoice::Source::environment)
                     : IsaChoice{true, available_isas().back(), IsaChoice::Source::processor});
}

}  // namespace

IsaChoice chosen_isa() {
  int chosen = choice;
  if (chosen == kNotChosen) {
    const int first = isa_at_start();
    if (choice.compare_exchange_strong(chosen, first)) chosen = first;
  }
  return decode(chosen);
}

std::string isa() {
  const IsaChoice chosen = chosen_isa();
  return chosen.kernels ? to_string(chosen.isa) : kReference;
}

void set_isa(const std::string& name) {
  choice = encode(parse<std::invalid_argument>("isa", name, IsaChoice::Source::set_isa));
}

std::vector<std::string> isas() {
  std::vector<std::string> names;
  for (Isa isa : available_isas()) names.emplace_back(to_string(isa));
  names.emplace_back(kReference);
  return names;
}

}  // namespace peephole
