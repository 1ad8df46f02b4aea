#include "kernels/isa.hpp"

#include <cstdlib>
#include <stdexcept>

namespace peephole {
namespace {

std::vector<Isa> detect() {
  std::vector<Isa> isas = {Isa::baseline};
#if defined(PEEPHOLE_X86_KERNELS)
  // __builtin_cpu_supports also asks XGETBV whether the system saves the registers.
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    isas.push_back(Isa::avx2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
      isas.push_back(Isa::avx512);
    }
  }
#endif
  return isas;
}

}  // namespace

const char* to_string(Isa isa) noexcept {
  switch (isa) {
    case Isa::baseline: return "baseline";
    case Isa::avx2: return "avx2";
    case Isa::avx512: break;
  }
  return "avx512";
}

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> isas = detect();
  return isas;
}

Isa parse_isa(const std::string& name) {
  std::string known;
  for (Isa isa : available_isas()) {
    if (name == to_string(isa)) return isa;
    known += known.empty() ? "" : ", ";
    known += to_string(isa);
  }
  throw std::invalid_argument("instruction set: expected one of " + known + ", got \"" + name +
                              "\"");
}

Isa default_isa() {
  const char* name = std::getenv("PEEPHOLE_ISA");
  return name == nullptr || *name == '\0' ? available_isas().back() : parse_isa(name);
}

}  // namespace peephole
