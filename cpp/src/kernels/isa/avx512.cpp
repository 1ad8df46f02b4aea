#include "kernels/simd/exports-inl.hpp"
#include "kernels/simd/int_avx512-inl.hpp"

namespace peephole::kernels {

PEEPHOLE_EXPORT_KERNELS(avx512)
#if defined(PEEPHOLE_PART_QUANTIZED)
extern const QuantizedKernels quantized_avx512_vnni = quantized_kernels_of<avx512::VnniIntegers>();
#endif

}  // namespace peephole::kernels
