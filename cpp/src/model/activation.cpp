#include "peephole/activation.hpp"

#include <iterator>
#include <utility>

#include "peephole/options.hpp"

namespace peephole {

template <>
Span<const Name<Activation>> names<Activation>() noexcept {
  static constexpr Name<Activation> kNames[] = {
      {Activation::sigmoid, "sigmoid"},           {Activation::tanh, "tanh"},
      {Activation::identity, "identity"},         {Activation::relu, "relu"},
      {Activation::softsign, "softsign"},         {Activation::softplus, "softplus"},
      {Activation::hard_sigmoid, "hard_sigmoid"}, {Activation::one, "one"},
  };
  return {kNames, std::size(kNames)};
}

const Activation* Activations::find(char key) const noexcept {
  switch (key) {
    case 'i': return &i;
    case 'f': return &f;
    case 'g': return &g;
    case 'o': return &o;
    case 'c': return &c;
    default: return nullptr;
  }
}

Activation* Activations::find(char key) noexcept {
  return const_cast<Activation*>(std::as_const(*this).find(key));
}

const char* to_string(Activation activation) noexcept { return to_string<Activation>(activation); }

Activation parse_activation(const std::string& name) {
  return parse<Activation>("activations", name);
}

}  // namespace peephole
