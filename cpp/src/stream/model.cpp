#include "stream/model.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "peephole/options.hpp"

namespace peephole {

template <class T>
StreamModel<T>::StreamModel(const Stack<T>& stack, IsaChoice isa) {
  if (stack.config().bidirectional) {
    throw std::invalid_argument(
        "stream: expected a model of one direction, got a bidirectional one, which reads "
        "sequences from their ends too");
  }
  config.lstm = stack.config();
  for (Index l = 0; l < stack.config().layers(); ++l) {
    StepLayer<T>& layer = layers.emplace_back(stack.step_layer(l, isa));
    if (layer.has_step_kernel()) layer.packed_step.emplace(*layer.packed, layer.spec);
  }

  const Parameters<T>& parameters = stack.parameters();
  const T* const flat = ParametersAccess<T>::flat(parameters);
  T* const copy = values.reserve(parameters.flat_size());
  std::copy_n(flat, parameters.flat_size(), copy);
  for (auto& layer : layers) {
    for_each_tensor(layer.spec, layer.weights,
                    [&](const T*& tensor, Index) { tensor = copy + (tensor - flat); });
  }
}

template <class T>
StreamModel<T>::StreamModel(const Stack<T>& stack, const NetworkConfig& network, IsaChoice isa)
    : StreamModel(stack, isa) {
  if (network.readout != Readout::all && network.readout != Readout::last) {
    throw std::invalid_argument(
        "stream: expected a model whose readout is \"all\" or \"last\", got \"" +
        std::string(to_string(network.readout)) + "\", which reads all steps at once");
  }
  config = network;
  const HeadSpec spec = {network.lstm.output_size(), network.output_size, network.head};
  const Parameters<T>& parameters = stack.parameters();
  const HeadWeights<const T> weights = {
      values.data() + parameters.offset(parameters.find("head.weight")),
      values.data() + parameters.offset(parameters.find("head.bias"))};
  head = HeadPacks<T>().forward(spec, weights, backend_for(isa),
                                ParametersAccess<T>::revision(parameters));
}

template struct StreamModel<float>;
template struct StreamModel<double>;

}  // namespace peephole
