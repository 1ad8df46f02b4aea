#include "kernels/simd/forward/exports-inl.hpp"
#include "kernels/simd/vec_avx2-inl.hpp"

namespace peephole::kernels {

extern const ForwardKernels forward_avx2 = forward_kernels<avx2::Vec>();

}  // namespace peephole::kernels
