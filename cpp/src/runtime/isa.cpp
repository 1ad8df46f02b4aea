#include "runtime/isa.hpp"

namespace peephole {
namespace {

#if defined(PEEPHOLE_X86_KERNELS)
// Also asks XGETBV whether the system saves the registers.
#define PEEPHOLE_PROCESSOR_HAS(feature) (__builtin_cpu_supports(feature) != 0)
#else
#define PEEPHOLE_PROCESSOR_HAS(feature) false  // this build has no kernels for it
#endif

/// An instruction set, and what a processor must have to run its kernels.
struct Row {
  Isa isa;
  const char* name;
  bool (*available)();
};

constexpr Row kTable[] = {
    {Isa::baseline, "baseline", [] { return true; }},
    {Isa::avx2, "avx2",
     [] { return PEEPHOLE_PROCESSOR_HAS("avx2") && PEEPHOLE_PROCESSOR_HAS("fma"); }},
    {Isa::avx512, "avx512",
     [] {
       return PEEPHOLE_PROCESSOR_HAS("avx512f") && PEEPHOLE_PROCESSOR_HAS("avx512dq") &&
              PEEPHOLE_PROCESSOR_HAS("avx512bw") && PEEPHOLE_PROCESSOR_HAS("avx512vl") &&
              PEEPHOLE_PROCESSOR_HAS("fma");
     }},
};

std::vector<Isa> detect() {
#if defined(PEEPHOLE_X86_KERNELS)
  __builtin_cpu_init();
#endif
  std::vector<Isa> isas;
  for (const Row& row : kTable) {
    if (row.available()) isas.push_back(row.isa);
  }
  return isas;
}

}  // namespace

const char* to_string(Isa isa) noexcept {
  for (const Row& row : kTable) {
    if (row.isa == isa) return row.name;
  }
  return "?";
}

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> isas = detect();
  return isas;
}

}  // namespace peephole
