#include "kernels/step_body.hpp"
#include "kernels/vec_baseline.hpp"

namespace peephole::kernels {

extern const StepKernels step_baseline = step_kernels<baseline::Vec>();

}  // namespace peephole::kernels
