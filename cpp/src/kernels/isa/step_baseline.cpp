#include "kernels/simd/step/exports-inl.hpp"
#include "kernels/simd/vec_baseline-inl.hpp"

namespace peephole::kernels {

extern const StepKernels step_baseline = step_kernels<baseline::Vec>();

}  // namespace peephole::kernels
