#include "peephole/activation.hpp"

#include "names.hpp"

namespace peephole {
namespace {

constexpr Name<Activation> kActivations[] = {
    {Activation::sigmoid, "sigmoid"},           {Activation::tanh, "tanh"},
    {Activation::identity, "identity"},         {Activation::relu, "relu"},
    {Activation::softsign, "softsign"},         {Activation::softplus, "softplus"},
    {Activation::hard_sigmoid, "hard_sigmoid"}, {Activation::one, "one"},
};

}  // namespace

const char* to_string(Activation activation) noexcept { return name_of(kActivations, activation); }

Activation parse_activation(const std::string& name) {
  return parse_name(kActivations, "activations", name);
}

}  // namespace peephole
