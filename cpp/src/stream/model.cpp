#include "stream/model.hpp"

#include <algorithm>
#include <stdexcept>

namespace peephole {

template <class T>
StreamModel<T>::StreamModel(const Stack<T>& stack)
    : StreamModel(stack, stack.parameters().flat_size()) {}

template <class T>
StreamModel<T>::StreamModel(const Stack<T>& stack, const NetworkConfig& config)
    : StreamModel(stack, stack.parameters().offset(stack.parameters().find("head.weight"))) {
  const Parameters<T>& parameters = stack.parameters();
  const Index weight = parameters.offset(parameters.find("head.weight"));
  const Index bias = parameters.offset(parameters.find("head.bias"));
  head = {config.lstm.output_size(), config.output_size, config.head};
  const T* const end = values_.data() + values_.capacity();
  head_weights = {end - (parameters.flat_size() - weight), end - (parameters.flat_size() - bias)};
}

/// Keeps the values of the flat layout from `first_kept` on; all of them for the reference path,
/// which has no packed weights.
template <class T>
StreamModel<T>::StreamModel(const Stack<T>& stack, Index first_kept) {
  if (stack.config().bidirectional) {
    throw std::invalid_argument(
        "stream: expected a model of one direction, got a bidirectional one, which reads "
        "sequences from their ends too");
  }
  const IsaChoice isa = chosen_isa();
  for (Index l = 0; l < stack.config().layers(); ++l) {
    StepLayer<T>& layer = layers.emplace_back(stack.step_layer(l, isa));
    if (layer.has_step_kernel()) layer.packed_step.emplace(*layer.packed, layer.spec);
  }

  const Parameters<T>& parameters = stack.parameters();
  const T* const flat = parameters.flat();
  if (layers.front().backend.is_reference()) first_kept = 0;
  const Index kept = parameters.flat_size() - first_kept;
  T* const copy = values_.reserve(kept);
  std::copy_n(flat + first_kept, kept, copy);
  for (auto& layer : layers) {
    const auto moved = [&](const T*& tensor) {
      const bool needed = tensor != nullptr && layer.backend.is_reference();
      tensor = needed ? copy + (tensor - flat) : nullptr;
    };
    moved(layer.weights.weight_ih);
    moved(layer.weights.weight_hh);
    moved(layer.weights.weight_ch);
    moved(layer.weights.bias);
  }
}

template struct StreamModel<float>;
template struct StreamModel<double>;

}  // namespace peephole
