#include "kernels/simd/forward/exports-inl.hpp"
#include "kernels/simd/vec_baseline-inl.hpp"

namespace peephole::kernels {

extern const ForwardKernels forward_baseline = forward_kernels<baseline::Vec>();

}  // namespace peephole::kernels
