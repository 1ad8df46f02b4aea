#include "kernels/simd/step/exports-inl.hpp"
#include "kernels/simd/vec_avx512-inl.hpp"

namespace peephole::kernels {

extern const StepKernels step_avx512 = step_kernels<avx512::Vec>();

}  // namespace peephole::kernels
