#include "kernels/vec_avx512.hpp"
#include "kernels_activations_body.hpp"

namespace peephole::test {

extern const ActivationFunctions activations_avx512 = activation_functions<avx512::Vec>();

}  // namespace peephole::test
