#include "kernels/host/table.hpp"

namespace peephole::kernels {

/// f(set, ...) for each instruction set of this build.
#if defined(PEEPHOLE_HAS_AVX2)
#define PEEPHOLE_AVX2(f, ...) f(avx2, __VA_ARGS__)
#else
#define PEEPHOLE_AVX2(f, ...)
#endif
#if defined(PEEPHOLE_HAS_AVX512)
#define PEEPHOLE_AVX512(f, ...) f(avx512, __VA_ARGS__)
#else
#define PEEPHOLE_AVX512(f, ...)
#endif
#if defined(PEEPHOLE_HAS_NEON)
#define PEEPHOLE_NEON(f, ...) f(neon, __VA_ARGS__)
#else
#define PEEPHOLE_NEON(f, ...)
#endif
#define PEEPHOLE_FOR_EACH_SET(f, ...)                                                    \
  f(baseline, __VA_ARGS__) PEEPHOLE_AVX2(f, __VA_ARGS__) PEEPHOLE_AVX512(f, __VA_ARGS__) \
      PEEPHOLE_NEON(f, __VA_ARGS__)

/// The exports of kernels/isa/<set>.cpp. Each part of the work has a table of its own for each
/// type, so that a program which is linked with --gc-sections holds only the kernels that it may
/// call.
#define PEEPHOLE_DECLARE(set, Kernels, part, T) extern const Kernels<T> part##_##set##_##T;
#define PEEPHOLE_ROW(set, Kernels, part, T) {Isa::set, part##_##set##_##T},
#define PEEPHOLE_TABLE(Kernels, part, T)                        \
  PEEPHOLE_FOR_EACH_SET(PEEPHOLE_DECLARE, Kernels, part, T)     \
  template <>                                                   \
  const Kernels<T>& part##_kernels_of<T>(Isa isa) noexcept {    \
    static constexpr Row<Kernels<T>> kTable[] = {               \
        PEEPHOLE_FOR_EACH_SET(PEEPHOLE_ROW, Kernels, part, T)}; \
    for (const auto& row : kTable) {                            \
      if (row.isa == isa) return row.kernels;                   \
    }                                                           \
    return kTable[0].kernels;                                   \
  }
#define PEEPHOLE_TABLES(T)                     \
  PEEPHOLE_TABLE(ForwardKernels, forward, T)   \
  PEEPHOLE_TABLE(BackwardKernels, backward, T) \
  PEEPHOLE_TABLE(StepKernels, step, T)         \
  PEEPHOLE_TABLE(HeadKernels, head, T)         \
  PEEPHOLE_TABLE(HeadGradientKernels, head_gradient, T)

namespace {

template <class Kernels>
struct Row {
  Isa isa;
  const Kernels& kernels;
};

}  // namespace

PEEPHOLE_TABLES(float)
PEEPHOLE_TABLES(double)

// For integer weights, a small build has only the baseline's kernels.
#if defined(PEEPHOLE_SMALL)
#define PEEPHOLE_FOR_EACH_QUANTIZED(f) f(baseline, )
#else
#define PEEPHOLE_FOR_EACH_QUANTIZED(f) PEEPHOLE_FOR_EACH_SET(f, )
#endif
#define PEEPHOLE_DECLARE_QUANTIZED(set, unused) extern const QuantizedKernels quantized_##set;
#define PEEPHOLE_ROW_QUANTIZED(set, unused) {Isa::set, &any_processor, quantized_##set},
PEEPHOLE_FOR_EACH_QUANTIZED(PEEPHOLE_DECLARE_QUANTIZED)
extern const QuantizedKernels quantized_avx512_vnni, quantized_avx2_vnni, quantized_neon_dot;

namespace {

/// Kernels that a set has on processors which have more than the set stand before the others.
struct QuantizedRow {
  Isa isa;
  bool (*available)() noexcept;
  const QuantizedKernels& kernels;
};

bool any_processor() noexcept { return true; }

}  // namespace

const QuantizedKernels& quantized_kernels_of(Isa isa) noexcept {
  static constexpr QuantizedRow kTable[] = {
#if !defined(PEEPHOLE_SMALL)
#if defined(PEEPHOLE_HAS_AVX512)
      {Isa::avx512, &has_avx512_vnni, quantized_avx512_vnni},
#endif
#if defined(PEEPHOLE_HAS_AVX_VNNI)
      {Isa::avx2, &has_avx_vnni, quantized_avx2_vnni},
#endif
#if defined(PEEPHOLE_HAS_NEON)
      {Isa::neon, &has_neon_dot_products, quantized_neon_dot},
#endif
#endif
      PEEPHOLE_FOR_EACH_QUANTIZED(PEEPHOLE_ROW_QUANTIZED)};
  for (const QuantizedRow& row : kTable) {
    if (row.isa == isa && row.available()) return row.kernels;
  }
  return quantized_baseline;
}

}  // namespace peephole::kernels
