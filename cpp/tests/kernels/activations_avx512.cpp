#include "kernels/activations-inl.hpp"
#include "kernels/simd/vec_avx512-inl.hpp"

namespace peephole::test {

extern const ActivationFunctions activations_avx512 = activation_functions<avx512::Vec>();

}  // namespace peephole::test
