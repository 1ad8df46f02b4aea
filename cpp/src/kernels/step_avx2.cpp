#include "kernels/step_body.hpp"
#include "kernels/vec_avx2.hpp"

namespace peephole::kernels {

extern const StepKernels step_avx2 = step_kernels<avx2::Vec>();

}  // namespace peephole::kernels
