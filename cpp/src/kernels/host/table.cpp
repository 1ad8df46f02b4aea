#include "kernels/host/table.hpp"

#include <cstddef>

namespace peephole::kernels {

/// f(set) for each instruction set of this build.
#if defined(PEEPHOLE_HAS_AVX2)
#define PEEPHOLE_AVX2(f) f(avx2)
#else
#define PEEPHOLE_AVX2(f)
#endif
#if defined(PEEPHOLE_HAS_AVX512)
#define PEEPHOLE_AVX512(f) f(avx512)
#else
#define PEEPHOLE_AVX512(f)
#endif
#define PEEPHOLE_FOR_EACH_SET(f) f(baseline) PEEPHOLE_AVX2(f) PEEPHOLE_AVX512(f)

/// The exports of kernels/isa/<set>.cpp.
#define PEEPHOLE_DECLARE_KERNELS(set)                    \
  extern const AllTypes<ForwardKernels> forward_##set;   \
  extern const AllTypes<BackwardKernels> backward_##set; \
  extern const AllTypes<StepKernels> step_##set;         \
  extern const AllTypes<HeadKernels> head_##set;
PEEPHOLE_FOR_EACH_SET(PEEPHOLE_DECLARE_KERNELS)

namespace {

/// The kernels of one part of the work. A part is a table of its own, so that programs that never
/// call one part need not contain it.
template <template <class> class Kernels>
struct Row {
  Isa isa;
  const AllTypes<Kernels>& kernels;
};

template <class T, template <class> class Kernels, std::size_t rows>
const Kernels<T>& find(const Row<Kernels> (&table)[rows], Isa isa) noexcept {
  for (const Row<Kernels>& row : table) {
    if (row.isa == isa) return row.kernels;
  }
  return table[0].kernels;
}

#define PEEPHOLE_FORWARD_ROW(set) {Isa::set, forward_##set},
#define PEEPHOLE_BACKWARD_ROW(set) {Isa::set, backward_##set},
#define PEEPHOLE_STEP_ROW(set) {Isa::set, step_##set},
#define PEEPHOLE_HEAD_ROW(set) {Isa::set, head_##set},
constexpr Row<ForwardKernels> kForward[] = {PEEPHOLE_FOR_EACH_SET(PEEPHOLE_FORWARD_ROW)};
constexpr Row<BackwardKernels> kBackward[] = {PEEPHOLE_FOR_EACH_SET(PEEPHOLE_BACKWARD_ROW)};
constexpr Row<StepKernels> kStep[] = {PEEPHOLE_FOR_EACH_SET(PEEPHOLE_STEP_ROW)};
constexpr Row<HeadKernels> kHead[] = {PEEPHOLE_FOR_EACH_SET(PEEPHOLE_HEAD_ROW)};

}  // namespace

template <class T>
const ForwardKernels<T>& forward_kernels_of(Isa isa) noexcept {
  return find<T>(kForward, isa);
}
template <class T>
const BackwardKernels<T>& backward_kernels_of(Isa isa) noexcept {
  return find<T>(kBackward, isa);
}
template <class T>
const StepKernels<T>& step_kernels_of(Isa isa) noexcept {
  return find<T>(kStep, isa);
}
template <class T>
const HeadKernels<T>& head_kernels_of(Isa isa) noexcept {
  return find<T>(kHead, isa);
}

#define PEEPHOLE_INSTANTIATE(T)                                         \
  template const ForwardKernels<T>& forward_kernels_of(Isa) noexcept;   \
  template const BackwardKernels<T>& backward_kernels_of(Isa) noexcept; \
  template const StepKernels<T>& step_kernels_of(Isa) noexcept;         \
  template const HeadKernels<T>& head_kernels_of(Isa) noexcept;
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole::kernels
