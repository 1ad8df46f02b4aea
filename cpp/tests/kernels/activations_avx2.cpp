#include "kernels/activations-inl.hpp"
#include "kernels/simd/vec_avx2-inl.hpp"

namespace peephole::test {

extern const ActivationFunctions activations_avx2 = activation_functions<avx2::Vec>();

}  // namespace peephole::test
