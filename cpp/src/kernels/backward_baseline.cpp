#include "kernels/backward_body.hpp"
#include "kernels/vec_baseline.hpp"

namespace peephole::kernels {

extern const BackwardKernels backward_baseline = backward_kernels<baseline::Vec>();

}  // namespace peephole::kernels
