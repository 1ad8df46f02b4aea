#include "runtime/isa.hpp"

#if defined(PEEPHOLE_HAS_AVX_VNNI)
#include <cpuid.h>
#endif

#if defined(PEEPHOLE_HAS_NEON) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(PEEPHOLE_HAS_NEON) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include <atomic>

namespace peephole {
namespace {

/// Also asks XGETBV whether the system saves the registers.
#define PEEPHOLE_PROCESSOR_HAS(feature) (__builtin_cpu_supports(feature) != 0)

/// An instruction set of this build, and what a processor must have to run its kernels.
struct Row {
  Isa isa;
  const char* name;
  bool (*available)();
};

constexpr Row kTable[] = {
    {Isa::baseline, "baseline", [] { return true; }},
#if defined(PEEPHOLE_HAS_AVX2)
    {Isa::avx2, "avx2",
     [] { return PEEPHOLE_PROCESSOR_HAS("avx2") && PEEPHOLE_PROCESSOR_HAS("fma"); }},
#endif
#if defined(PEEPHOLE_HAS_AVX512)
    {Isa::avx512, "avx512",
     [] {
       return PEEPHOLE_PROCESSOR_HAS("avx512f") && PEEPHOLE_PROCESSOR_HAS("avx512dq") &&
              PEEPHOLE_PROCESSOR_HAS("avx512bw") && PEEPHOLE_PROCESSOR_HAS("avx512vl") &&
              PEEPHOLE_PROCESSOR_HAS("fma");
     }},
#endif
#if defined(PEEPHOLE_HAS_NEON)
    {Isa::neon, "neon", [] { return true; }},  // every 64-bit ARM processor has it
#endif
};

/// What the processor was asked before.
using Answer = std::atomic<int>;
enum : int { unknown, no, yes };

template <class Ask>
[[maybe_unused]] bool known_or(Answer& known, const Ask& ask) noexcept {
  int answer = known.load(std::memory_order_relaxed);
  if (answer == unknown) {
    answer = ask() ? yes : no;
    known.store(answer, std::memory_order_relaxed);
  }
  return answer == yes;
}

std::vector<Isa> detect() {
#if defined(PEEPHOLE_HAS_AVX2) || defined(PEEPHOLE_HAS_AVX512)
  __builtin_cpu_init();
#endif
  std::vector<Isa> isas;
  for (const Row& row : kTable) {
    if (row.available()) isas.push_back(row.isa);
  }
  return isas;
}

}  // namespace

bool has_avx512_vnni() noexcept {
#if defined(PEEPHOLE_HAS_AVX512)
  return PEEPHOLE_PROCESSOR_HAS("avx512vnni");
#else
  return false;
#endif
}

bool has_avx_vnni() noexcept {
#if defined(PEEPHOLE_HAS_AVX_VNNI)
  static Answer known{unknown};  // CPUID takes microseconds on a virtual machine
  return known_or(known, [] {
    // Not every compiler's __builtin_cpu_supports knows its name.
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    constexpr unsigned kFeatures = 7, kMoreFeatures = 1, kAvxVnni = 1u << 4;
    return __get_cpuid_count(kFeatures, kMoreFeatures, &eax, &ebx, &ecx, &edx) != 0 &&
           (eax & kAvxVnni) != 0;
  });
#else
  return false;
#endif
}

bool has_neon_dot_products() noexcept {
#if defined(PEEPHOLE_HAS_NEON) && defined(__linux__)
  constexpr unsigned long kDotProducts = 1ul << 20;  // HWCAP_ASIMDDP
  return (getauxval(AT_HWCAP) & kDotProducts) != 0;
#elif defined(PEEPHOLE_HAS_NEON) && defined(__APPLE__)
  static Answer known{unknown};
  return known_or(known, [] {
    int value = 0;
    std::size_t size = sizeof value;
    return sysctlbyname("hw.optional.arm.FEAT_DotProd", &value, &size, nullptr, 0) == 0 &&
           value != 0;
  });
#else
  return false;
#endif
}

const char* to_string(Isa isa) noexcept {
  for (const Row& row : kTable) {
    if (row.isa == isa) return row.name;
  }
  return "?";
}

const std::vector<Isa>& available_isas() {
  // Never destroyed, as a thread may still compute when the process ends; and no static local,
  // whose lock a forked child could inherit.
  static std::atomic<const std::vector<Isa>*> the_isas{nullptr};
  const std::vector<Isa>* isas = the_isas;
  if (isas != nullptr) return *isas;
  const auto* const detected = new std::vector<Isa>(detect());
  if (the_isas.compare_exchange_strong(isas, detected)) return *detected;
  delete detected;
  return *isas;
}

}  // namespace peephole
