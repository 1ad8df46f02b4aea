#include "kernels/simd/exports-inl.hpp"
#include "kernels/simd/int_avx512-inl.hpp"

namespace peephole::kernels {

PEEPHOLE_EXPORT_KERNELS(avx512)

}  // namespace peephole::kernels
