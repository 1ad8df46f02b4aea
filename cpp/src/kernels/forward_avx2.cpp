#include "kernels/forward_body.hpp"
#include "kernels/vec_avx2.hpp"

namespace peephole::kernels {

extern const ForwardKernels forward_avx2 = forward_kernels<avx2::Vec>();

}  // namespace peephole::kernels
