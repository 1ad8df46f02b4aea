#include "kernels/step_body.hpp"
#include "kernels/vec_avx512.hpp"

namespace peephole::kernels {

extern const StepKernels step_avx512 = step_kernels<avx512::Vec>();

}  // namespace peephole::kernels
