#include "kernels/backward_body.hpp"
#include "kernels/vec_avx2.hpp"

namespace peephole::kernels {

extern const BackwardKernels backward_avx2 = backward_kernels<avx2::Vec>();

}  // namespace peephole::kernels
