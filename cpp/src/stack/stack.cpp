#include "stack/stack.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "base/errors.hpp"
#include "peephole/options.hpp"

namespace peephole {
namespace {

/// A gate outside peephole_gates has no peephole: its rows of weight_ch are masked, all of them.
template <class T>
void mask_absent_peepholes(GateSet gates, Parameters<T>& parameters, Index weight_ch) {
  const ParameterSpec& spec = parameters.specs()[at(weight_ch)];
  const auto connected = std::make_unique<bool[]>(at(spec.size()));
  const Index per_gate = spec.size() / kGates;
  for (Gate gate : {Gate::input, Gate::forget, Gate::cell, Gate::output}) {
    std::fill_n(connected.get() + index(gate) * per_gate, per_gate, gates.contains(gate));
  }
  parameters.mask(weight_ch, connected.get());
}

}  // namespace

void refuse_training(const LSTMConfig& config) {
  if (!config.quantization) return;
  throw std::invalid_argument("a quantized model is for inference only, got quantization \"" +
                              std::string(to_string(*config.quantization)) + '"');
}

template <class T>
Stack<T>::Stack(LSTMConfig config, std::shared_ptr<Parameters<T>> parameters)
    : config_(std::move(config)), parameters_(std::move(parameters)) {
  if constexpr (std::is_same_v<T, double>) {
    if (config_.quantization) {
      refuse("quantization", "none of a model of double", to_string(*config_.quantization));
    }
  }
  if constexpr (std::is_same_v<T, Dual>) refuse_training(config_);  // derivatives
  if (config_.activations.empty()) config_.activations.resize(config_.hidden_sizes.size());
  const bool some_absent = to_string(config_.peephole_gates).size() < kGates;
  for (Index layer = 0; layer < config_.layers(); ++layer) {
    for (Index d = 0; d < config_.directions(); ++d) {
      passes_.push_back(make_pass(layer, d));
      const Index weight_ch = passes_.back().weight_ch;
      if (weight_ch >= 0 && some_absent) {
        mask_absent_peepholes(config_.peephole_gates, *parameters_, weight_ch);
      }
    }
  }
}

template <class T>
typename Stack<T>::Pass Stack<T>::make_pass(Index layer, Index direction) const {
  const std::string suffix = "_l" + std::to_string(layer) + (direction == 1 ? "_reverse" : "");
  const LayerSpec spec = {config_.layer_input_size(layer),
                          config_.hidden_sizes[at(layer)],
                          config_.peephole,
                          config_.peephole_gates,
                          config_.output_peephole,
                          config_.activations[at(layer)],
                          config_.coupled_input_forget,
                          config_.cell_clip.value_or(kNoClip),
                          config_.preactivation_clip.value_or(kNoClip),
                          config_.layer_norm,
                          config_.layer_norm ? config_.layer_norm_cell : LayerNormCell::none,
                          config_.layer_norm_epsilon,
                          config_.projection_size,
                          config_.projection_clip,
                          config_.quantization,
                          config_.quantizes_input(layer)};
  const auto scale = [&](const char* matrix) {
    return parameters_->find(matrix + suffix + "_scale");
  };
  return {spec,
          direction == 0 ? Direction::forward : Direction::reverse,
          parameters_->find("weight_ih" + suffix),
          parameters_->find("weight_hh" + suffix),
          parameters_->find("weight_ch" + suffix),
          parameters_->find("bias" + suffix),
          parameters_->find("h0" + suffix),
          parameters_->find("c0" + suffix),
          parameters_->find("gain" + suffix),
          parameters_->find("gain_ih" + suffix),
          parameters_->find("gain_hh" + suffix),
          parameters_->find("gain_c" + suffix),
          parameters_->find("shift_c" + suffix),
          parameters_->find("weight_hr" + suffix),
          scale("weight_ih"),
          scale("weight_hh"),
          scale("weight_ch"),
          scale("weight_hr"),
          std::make_unique<LayerPacks<T>>()};
}

template <class T>
template <class U>
LayerWeights<U> Stack<T>::weights_in(const Pass& pass, U* flat) const noexcept {
  const auto tensor = [&](Index i) { return i < 0 ? nullptr : flat + parameters_->offset(i); };
  return {tensor(pass.weight_ih),
          tensor(pass.weight_hh),
          tensor(pass.weight_ch),
          tensor(pass.bias),
          tensor(pass.gain),
          tensor(pass.gain_ih),
          tensor(pass.gain_hh),
          tensor(pass.gain_c),
          tensor(pass.shift_c),
          tensor(pass.weight_hr),
          tensor(pass.weight_ih_scale),
          tensor(pass.weight_hh_scale),
          tensor(pass.weight_ch_scale),
          tensor(pass.weight_hr_scale)};
}

template <class T>
LayerWeights<const T> Stack<T>::weights_of(const Pass& pass) const noexcept {
  return weights_in(pass, ParametersAccess<T>::flat(*parameters_));
}

template <class T>
LayerWeights<T> Stack<T>::gradients_of(const Pass& pass, T* dparameters) const noexcept {
  return weights_in(pass, dparameters);
}

template <class T>
typename Stack<T>::InitialOffsets Stack<T>::initial_offsets(Index layer,
                                                            Index direction) const noexcept {
  const Pass& of = pass(layer, direction);
  if (of.h0 < 0) return {-1, -1};
  return {parameters_->offset(of.h0), parameters_->offset(of.c0)};
}

template <class T>
StepLayer<T> Stack<T>::step_layer(Index layer, IsaChoice isa) const {
  ParametersAccess<T>::refresh(*parameters_);
  const Pass& of = pass(layer, 0);
  const LayerNoise noise = noise_of(layer, StackTape<T>(), Mode::inference);
  const Backend backend = backend_for(of.spec, noise, isa);
  log_backend("stream", layer, of.direction, of.spec, backend);
  return {of.spec, weights_of(of), noise, backend, pack_forward(of, backend)};
}

template <class T>
std::shared_ptr<const kernels::PackedForward<T>> Stack<T>::pack_forward(
    const Pass& pass, const Backend& backend) const {
  return pass.packs->forward(backend, pass.spec, weights_of(pass),
                             ParametersAccess<T>::revision(*parameters_));
}

template <class T>
std::shared_ptr<const kernels::PackedBackward<T>> Stack<T>::pack_backward(
    const Pass& pass, const Backend& backend, const Schedule& schedule) const {
  return pass.packs->backward(backend, pass.spec, weights_of(pass),
                              ParametersAccess<T>::revision(*parameters_), schedule);
}

template <class T>
LayerNoise Stack<T>::noise_of(Index layer, const StackTape<T>& tape, Mode mode) const noexcept {
  if (mode != Mode::training) return {0, layer, 0, config_.zoneout, /*expected=*/true};
  return {tape.seed, layer, config_.recurrent_dropout, config_.zoneout};
}

template <class T>
void Stack<T>::release_workspaces() const {
  tapes_.clear();
  rows_.clear();
  forward_workspaces_.clear();
  backward_workspaces_.clear();
  for (const Pass& pass : passes_) {
    pass.packs->clear();
  }
  const Locked lock(shared_mutex_);
  for (SharedByStreams& slot : shared_) slot.made.reset();
}

template class Stack<float>;
template class Stack<double>;
template class Stack<Dual>;

}  // namespace peephole
