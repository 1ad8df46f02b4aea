#include "kernels/forward_body.hpp"
#include "kernels/vec_avx512.hpp"

namespace peephole::kernels {

extern const ForwardKernels forward_avx512 = forward_kernels<avx512::Vec>();

}  // namespace peephole::kernels
