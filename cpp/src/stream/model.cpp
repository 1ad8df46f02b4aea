#include "stream/model.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "peephole/options.hpp"

namespace peephole {
namespace {

template <class T>
void begin_values(const T* initial, Index size, T* values) noexcept {
  if (initial == nullptr) {
    std::fill_n(values, size, T{0});
  } else {
    std::copy_n(initial, size, values);
  }
}

}  // namespace

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
  value_count = parameters.flat_size();
  T* const copy = values.reserve(value_count);
  std::copy_n(flat, value_count, copy);
  for (auto& layer : layers) {
    for_each_tensor(layer.spec, layer.weights,
                    [&](const T*& tensor, Index) { tensor = copy + (tensor - flat); });
  }
  for (Index l = 0; l < stack.config().layers(); ++l) {
    const auto offsets = stack.initial_offsets(l, 0);
    auto& state = initial.emplace_back();
    if (offsets.h >= 0) state = {copy + offsets.h, copy + offsets.c};
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
  const auto tensor = [&](const char* name) {
    return values.data() + parameters.offset(parameters.find(name));
  };
  const auto packed = [&](const HeadSpec& of, HeadWeights<const T> weights) {
    return HeadPacks<T>().forward(of, weights, backend_for(isa),
                                  ParametersAccess<T>::revision(parameters));
  };
  head = packed(spec, {tensor("head.weight"), tensor("head.bias")});
  if (network.input_dense_size) {
    const HeadSpec product = {network.lstm.input_size, *network.input_dense_size,
                              HeadActivation::identity};
    input = {{product, network.input_activation},
             packed(product, {tensor("input.weight"), tensor("input.bias")})};
  }
}

template <class T>
std::shared_ptr<const StreamModel<T>> StreamModel<T>::of(const Stack<T>& stack,
                                                         const NetworkConfig* network) {
  return stack.template share<StreamModel<T>>(
      /*with_head=*/network != nullptr, [&](IsaChoice isa) {
        return network != nullptr ? std::make_shared<StreamModel<T>>(stack, *network, isa)
                                  : std::make_shared<StreamModel<T>>(stack, isa);
      });
}

template <class T>
void StreamModel<T>::begin(Index layer, T* h, T* c) const noexcept {
  const LayerSpec& spec = layers[at(layer)].spec;
  begin_values(initial[at(layer)].h, spec.recurrent_size(), h);
  begin_values(initial[at(layer)].c, spec.hidden_size, c);
}

template <class T>
Rows<const T> StreamModel<T>::input_rows(Rows<const T> x, Index n, T* memory) const noexcept {
  if (!input) return x;
  dense_input_forward_alone(input->spec, input->product, x, n, memory);
  return {memory, stack_input_size()};
}

template <class T>
void StreamModel<T>::output(Rows<const T> h, Rows<T> y, Index n) const noexcept {
  if (!head) {
    for (Index row = 0; row < n; ++row) std::copy_n(h.row(row), output_size(), y.row(row));
    return;
  }
  head_logits_alone(*head, h, n, y);
  if (head->spec.activation == HeadActivation::identity) return;
  for (Index row = 0; row < n; ++row) head_activate_row(head->spec, y.row(row), y.row(row));
}

template struct StreamModel<float>;
template struct StreamModel<double>;

}  // namespace peephole
