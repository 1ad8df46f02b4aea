#include "kernels/backward_body.hpp"
#include "kernels/vec_avx512.hpp"

namespace peephole::kernels {

extern const BackwardKernels backward_avx512 = backward_kernels<avx512::Vec>();

}  // namespace peephole::kernels
