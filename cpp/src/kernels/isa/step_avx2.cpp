#include "kernels/simd/step/exports-inl.hpp"
#include "kernels/simd/vec_avx2-inl.hpp"

namespace peephole::kernels {

extern const StepKernels step_avx2 = step_kernels<avx2::Vec>();

}  // namespace peephole::kernels
