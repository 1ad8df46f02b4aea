#include "kernels/vec_avx2.hpp"
#include "kernels_activations_body.hpp"

namespace peephole::test {

extern const ActivationFunctions activations_avx2 = activation_functions<avx2::Vec>();

}  // namespace peephole::test
