#include "kernels/simd/backward/exports-inl.hpp"
#include "kernels/simd/vec_avx512-inl.hpp"

namespace peephole::kernels {

extern const BackwardKernels backward_avx512 = backward_kernels<avx512::Vec>();

}  // namespace peephole::kernels
