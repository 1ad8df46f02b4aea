#include "kernels/simd/exports-inl.hpp"
#include "kernels/simd/vec_neon-inl.hpp"

namespace peephole::kernels {

PEEPHOLE_EXPORT_KERNELS(neon)

}  // namespace peephole::kernels
