#include "kernels/simd/backward/exports-inl.hpp"
#include "kernels/simd/vec_avx2-inl.hpp"

namespace peephole::kernels {

extern const BackwardKernels backward_avx2 = backward_kernels<avx2::Vec>();

}  // namespace peephole::kernels
