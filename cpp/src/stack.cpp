#include "stack.hpp"

#include <algorithm>
#include <utility>

#include "packing.hpp"

namespace peephole {
namespace {

std::size_t at(Index i) noexcept { return static_cast<std::size_t>(i); }

/// A gate outside peephole_gates has no peephole: its rows of weight_ch are masked, all of them.
template <class T>
void mask_absent_peepholes(const LSTMConfig& config, Parameters<T>& parameters, Index weight_ch) {
  const ParameterSpec& spec = parameters.specs()[at(weight_ch)];
  const auto connected = std::make_unique<bool[]>(at(spec.size()));
  const Index per_gate = spec.size() / kGates;
  for (Gate gate : {Gate::input, Gate::forget, Gate::cell, Gate::output}) {
    std::fill_n(connected.get() + index(gate) * per_gate, per_gate,
                config.peephole_gates.contains(gate));
  }
  parameters.mask(weight_ch, connected.get());
}

}  // namespace

template <class T>
Stack<T>::Stack(LSTMConfig config, std::shared_ptr<Parameters<T>> parameters)
    : config_(std::move(config)), parameters_(std::move(parameters)) {
  if (config_.activations.empty()) config_.activations.resize(config_.hidden_sizes.size());
  for (Index layer = 0; layer < config_.layers(); ++layer) {
    for (Index d = 0; d < config_.directions(); ++d) {
      const std::string suffix = "_l" + std::to_string(layer) + (d == 1 ? "_reverse" : "");
      const Pass pass = {{config_.layer_input_size(layer), config_.hidden_sizes[at(layer)],
                          config_.peephole, config_.peephole_gates, config_.output_peephole,
                          config_.activations[at(layer)], config_.coupled_input_forget},
                         d == 0 ? Direction::forward : Direction::reverse,
                         parameters_->find("weight_ih" + suffix),
                         parameters_->find("weight_hh" + suffix),
                         parameters_->find("weight_ch" + suffix),
                         parameters_->find("bias" + suffix)};
      passes_.push_back(pass);
      const bool some_absent = to_string(config_.peephole_gates).size() < kGates;
      if (pass.weight_ch >= 0 && some_absent) {
        mask_absent_peepholes(config_, *parameters_, pass.weight_ch);
      }
    }
  }
}

template <class T>
template <class U>
LayerWeights<U> Stack<T>::weights_in(const Pass& pass, U* flat) const noexcept {
  const auto tensor = [&](Index i) { return i < 0 ? nullptr : flat + parameters_->offset(i); };
  return {tensor(pass.weight_ih), tensor(pass.weight_hh), tensor(pass.weight_ch),
          tensor(pass.bias)};
}

template <class T>
Rows<const T> Stack<T>::forward(SequenceView<const T> x, Span<const Index> lengths,
                                Span<const StateView<const T>> initial,
                                Span<const StateView<T>> final, StackRecord<T>& record,
                                bool training) const {
  parameters_->settle();
  record.schedule.assign(x.batch, x.time, lengths);
  record.identity = parameters_->identity();
  record.writes = parameters_->writes();
  record.training = false;  // until all is there
  record.h.resize(training ? at(config_.layers()) : 2);
  record.layers.resize(passes_.size());
  const Schedule& schedule = record.schedule;
  const Index N = schedule.packed_rows(), B = schedule.batch(), D = config_.directions();

  const Rows<T> packed_x{record.x.ensure(N * x.features), x.features};
  gather(schedule, x, packed_x);
  Index kept = N * x.features;
  Rows<const T> input{packed_x.data, packed_x.stride};
  const auto work = forward_workspaces_.borrow();

  for (Index layer = 0; layer < config_.layers(); ++layer) {
    const Index H = config_.hidden_sizes[at(layer)];
    T* const h = record.h[at(training ? layer : layer % 2)].ensure(N * D * H);
    for (Index d = 0; d < D; ++d) {
      const Index p = layer * D + d;
      const Pass& pass = passes_[at(p)];
      auto& kept_layer = record.layers[at(p)];
      T* const state_h = work->state_h.ensure(B * H);
      T* const state_c = work->state_c.ensure(B * H);
      gather_state(schedule, H, initial.empty() ? nullptr : initial[p].h, state_h);
      gather_state(schedule, H, initial.empty() ? nullptr : initial[p].c, state_c);
      if (training) {
        std::copy_n(state_h, B * H, kept_layer.initial_h.ensure(B * H));
        std::copy_n(state_c, B * H, kept_layer.initial_c.ensure(B * H));
      }
      const LayerForward<T> problem = {pass.spec,
                                       schedule,
                                       pass.direction,
                                       weights_in(pass, std::as_const(*parameters_).flat()),
                                       input,
                                       Rows<T>{h + d * H, D * H},
                                       training ? kept_layer.gates.ensure(N * kGates * H) : nullptr,
                                       training ? kept_layer.c.ensure(N * H) : nullptr,
                                       state_h,
                                       state_c};
      reference::forward(problem, work->scratch);
      if (!final.empty()) {
        scatter_state(schedule, H, state_h, final[p].h);
        scatter_state(schedule, H, state_c, final[p].c);
      }
      kept += N * (kGates + 2) * H + 2 * B * H;
    }
    input = {h, D * H};
  }
  record.training = training;
  record.bytes = training ? at(kept) * sizeof(T) : 0;
  return input;
}

template <class T>
Rows<T> Stack<T>::input_gradient(Index layer, SequenceView<T> dx, Index N,
                                 BackwardWorkspace& work) const {
  if (layer == 0 && dx.data == nullptr) return {nullptr, 0};
  const Index I = config_.layer_input_size(layer);
  return {work.dh[(layer + 1) % 2].ensure(N * I), I};
}

template <class T>
void Stack<T>::backward(const StackRecord<T>& record, Rows<const T> dtop,
                        Span<const StateView<const T>> dfinal, SequenceView<T> dx,
                        Span<const StateView<T>> dinitial, T* dparameters) const {
  parameters_->settle();
  const Schedule& schedule = record.schedule;
  const Index N = schedule.packed_rows(), B = schedule.batch(), D = config_.directions();
  const auto work = backward_workspaces_.borrow();

  Rows<const T> dh = dtop;
  for (Index layer = config_.layers() - 1; layer >= 0; --layer) {
    const Index I = config_.layer_input_size(layer), H = config_.hidden_sizes[at(layer)];
    const T* const x = layer == 0 ? record.x.data() : record.h[at(layer - 1)].data();
    const T* const h = record.h[at(layer)].data();
    const Rows<T> dinput = input_gradient(layer, dx, N, *work);
    for (Index d = 0; d < D; ++d) {
      const Index p = layer * D + d;
      const Pass& pass = passes_[at(p)];
      const auto& kept = record.layers[at(p)];
      T* const dstate_h = work->dstate_h.ensure(B * H);
      T* const dstate_c = work->dstate_c.ensure(B * H);
      gather_state(schedule, H, dfinal.empty() ? nullptr : dfinal[p].h, dstate_h);
      gather_state(schedule, H, dfinal.empty() ? nullptr : dfinal[p].c, dstate_c);
      const bool second = d == 1 && dinput.data != nullptr;
      const Rows<T> dx_part = second ? Rows<T>{work->dx_part.ensure(N * I), I} : dinput;
      const LayerBackward<T> problem = {pass.spec,
                                        schedule,
                                        pass.direction,
                                        weights_in(pass, std::as_const(*parameters_).flat()),
                                        {x, I},
                                        {h + d * H, D * H},
                                        kept.gates.data(),
                                        kept.c.data(),
                                        kept.initial_h.data(),
                                        kept.initial_c.data(),
                                        {dh.data + d * H, dh.stride},
                                        dx_part,
                                        dstate_h,
                                        dstate_c,
                                        weights_in(pass, dparameters)};
      reference::backward(problem, work->scratch);
      if (second) {
        for (Index i = 0; i < N * I; ++i) dinput.data[i] += dx_part.data[i];
      }
      if (!dinitial.empty()) {
        scatter_state(schedule, H, dstate_h, dinitial[p].h);
        scatter_state(schedule, H, dstate_c, dinitial[p].c);
      }
    }
    dh = {dinput.data, dinput.stride};
  }
  if (dx.data) scatter(schedule, dh, dx);
  parameters_->mask_gradients(dparameters);
}

template class Stack<float>;
template class Stack<double>;

}  // namespace peephole
