#include "kernels/simd/exports-inl.hpp"
#include "kernels/simd/int_avx2-inl.hpp"

namespace peephole::kernels {

PEEPHOLE_EXPORT_KERNELS(avx2)

}  // namespace peephole::kernels
