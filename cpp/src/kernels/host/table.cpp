#include "kernels/host/table.hpp"

namespace peephole::kernels {

/// The exports of kernels/isa/<set>.cpp.
#define PEEPHOLE_DECLARE_KERNELS(set)                    \
  extern const AllTypes<ForwardKernels> forward_##set;   \
  extern const AllTypes<BackwardKernels> backward_##set; \
  extern const AllTypes<StepKernels> step_##set;         \
  extern const AllTypes<HeadKernels> head_##set;
#define PEEPHOLE_ROW(set) {Isa::set, forward_##set, backward_##set, step_##set, head_##set}

PEEPHOLE_DECLARE_KERNELS(baseline)
PEEPHOLE_DECLARE_KERNELS(avx2)
PEEPHOLE_DECLARE_KERNELS(avx512)

namespace {

struct Row {
  Isa isa;
  const AllTypes<ForwardKernels>& forward;
  const AllTypes<BackwardKernels>& backward;
  const AllTypes<StepKernels>& step;
  const AllTypes<HeadKernels>& head;
};

constexpr Row kTable[] = {
    PEEPHOLE_ROW(baseline),
#if defined(PEEPHOLE_HAS_AVX2)
    PEEPHOLE_ROW(avx2),
#endif
#if defined(PEEPHOLE_HAS_AVX512)
    PEEPHOLE_ROW(avx512),
#endif
};

const Row& row_of(Isa isa) noexcept {
  for (const Row& row : kTable) {
    if (row.isa == isa) return row;
  }
  return kTable[0];
}

}  // namespace

template <class T>
KernelsOf<T> kernels_of(Isa isa) noexcept {
  const Row& row = row_of(isa);
  return {row.forward, row.backward, row.step, row.head};
}

template KernelsOf<float> kernels_of(Isa) noexcept;
template KernelsOf<double> kernels_of(Isa) noexcept;

}  // namespace peephole::kernels
