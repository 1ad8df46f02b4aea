#include "kernels/simd/backward/exports-inl.hpp"
#include "kernels/simd/vec_baseline-inl.hpp"

namespace peephole::kernels {

extern const BackwardKernels backward_baseline = backward_kernels<baseline::Vec>();

}  // namespace peephole::kernels
