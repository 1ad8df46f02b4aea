#include "kernels/simd/exports-inl.hpp"
#include "kernels/simd/int_neon-inl.hpp"

namespace peephole::kernels {

PEEPHOLE_EXPORT_KERNELS(neon)

}  // namespace peephole::kernels
