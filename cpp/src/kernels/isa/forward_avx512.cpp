#include "kernels/simd/forward/exports-inl.hpp"
#include "kernels/simd/vec_avx512-inl.hpp"

namespace peephole::kernels {

extern const ForwardKernels forward_avx512 = forward_kernels<avx512::Vec>();

}  // namespace peephole::kernels
