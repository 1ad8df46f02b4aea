#include "kernels/activations-inl.hpp"
#include "kernels/simd/vec_baseline-inl.hpp"

namespace peephole::test {

extern const ActivationFunctions activations_baseline = activation_functions<baseline::Vec>();

}  // namespace peephole::test
