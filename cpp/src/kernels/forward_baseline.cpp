#include "kernels/forward_body.hpp"
#include "kernels/vec_baseline.hpp"

namespace peephole::kernels {

extern const ForwardKernels forward_baseline = forward_kernels<baseline::Vec>();

}  // namespace peephole::kernels
