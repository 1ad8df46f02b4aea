#include "kernels/simd/exports-inl.hpp"
#include "kernels/simd/int_avx2-inl.hpp"

namespace peephole::kernels {

PEEPHOLE_EXPORT_KERNELS(avx2)
#if defined(PEEPHOLE_PART_QUANTIZED) && defined(PEEPHOLE_HAS_AVX_VNNI)
extern const QuantizedKernels quantized_avx2_vnni = quantized_kernels_of<avx2::VnniIntegers>();
#endif

}  // namespace peephole::kernels
