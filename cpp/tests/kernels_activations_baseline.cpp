#include "kernels/vec_baseline.hpp"
#include "kernels_activations_body.hpp"

namespace peephole::test {

extern const ActivationFunctions activations_baseline = activation_functions<baseline::Vec>();

}  // namespace peephole::test
