#include "kernels/simd/exports-inl.hpp"
#include "kernels/simd/int_neon-inl.hpp"

namespace peephole::kernels {

PEEPHOLE_EXPORT_KERNELS(neon)
#if defined(PEEPHOLE_PART_QUANTIZED)
extern const QuantizedKernels quantized_neon_dot = quantized_kernels_of<neon::DotIntegers>();
#endif

}  // namespace peephole::kernels
