#include "kernels/simd/exports-inl.hpp"
#include "kernels/simd/int_baseline-inl.hpp"

namespace peephole::kernels {

PEEPHOLE_EXPORT_KERNELS(baseline)

}  // namespace peephole::kernels
