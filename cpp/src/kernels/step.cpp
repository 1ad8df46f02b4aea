#include "kernels/step.hpp"

namespace peephole::kernels {

const StepKernels& step_kernels(Isa isa) noexcept {
#if defined(PEEPHOLE_X86_KERNELS)
  if (isa == Isa::avx512) return step_avx512;
  if (isa == Isa::avx2) return step_avx2;
#else
  (void)isa;
#endif
  return step_baseline;
}

}  // namespace peephole::kernels
