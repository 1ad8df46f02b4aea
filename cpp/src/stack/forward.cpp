#include <algorithm>
#include <functional>

#include "layer/noise.hpp"
#include "layer/rows.hpp"
#include "stack/stack.hpp"

namespace peephole {
namespace {

/// How many values a tape keeps of a batch.
template <class T>
std::size_t kept_values(const LSTMConfig& config, const StackTape<T>& tape) noexcept {
  const Index N = tape.schedule.packed_rows(), B = tape.schedule.batch();
  const Index D = config.directions();
  Index values = N * config.input_size;
  for (Index layer = 0; layer < config.layers(); ++layer) {
    const Index H = config.hidden_sizes[at(layer)], P = config.recurrent_size(layer);
    const Index clipped = config.preactivation_clip ? H : 0;
    const Index unclipped = config.projection_clip ? P : 0;
    for (Index d = 0; d < D; ++d) {
      const auto segments = static_cast<Index>(tape.layers[at(layer * D + d)].segments.size());
      values += tape.keep == Keep::all
                    ? N * ((kGates + 1) * H + clipped + P + unclipped) + B * (P + H)
                    : N * P + segments * B * (P + H);
      if (tape.keep == Keep::all) {
        values +=
            N * (normalised_size(config.layer_norm, H) + normalised_groups(config.layer_norm));
      }
    }
  }
  return at(values);
}

/// The addresses from the first to the last element of an array that is not empty.
template <class T>
bool overlap(const SequenceView<const T>& x, const SequenceView<T>& y) noexcept {
  const auto end = [](const auto& view) {
    return view.at(view.batch - 1, view.time - 1) + view.features;
  };
  const std::less<const T*> before;
  return before(x.data, end(y)) && before(y.data, end(x));
}

/// Whether an array can be used in place. One with unusual strides is copied instead.
template <class T>
bool usable_in_place(const Schedule& schedule, const SequenceView<T>& view) noexcept {
  return schedule.even() && schedule.packed_rows() > 0 &&
         (view.batch_stride > 0 || view.batch == 1) && view.time_stride > 0;
}

}  // namespace

template <class T>
void Stack<T>::open(Index batch, Index time, Span<const Index> lengths, StackTape<T>& tape,
                    Mode mode) const {
  check_memory(config_, batch, time, tape.memory);
  tape.filled.reset();  // until all is there
  tape.isa = chosen_isa_for<T>();
  tape.revision = ParametersAccess<T>::refresh(*parameters_);
  tape.identity = ParametersAccess<T>::identity(*parameters_);
  tape.schedule.assign(batch, time, lengths);
  tape.h.resize(mode == Mode::inference ? 2 : at(config_.layers()));
  tape.layers.resize(passes_.size());
  tape.hidden_sizes = config_.hidden_sizes;
  tape.recurrent_sizes.clear();
  for (Index k = 0; k < config_.layers(); ++k) {
    tape.recurrent_sizes.push_back(config_.recurrent_size(k));
  }
  tape.directions = config_.directions();
  if (tape.memory.data != nullptr) place(config_, tape);
}

template <class T>
void Stack<T>::begin(const Call<T>& call, StackTape<T>& tape, Mode mode) const {
  if (mode == Mode::training) refuse_training(config_);
  open(call.x.batch, call.x.time, call.lengths, tape, mode);
  if (tape.memory.data != nullptr) clear_unused(config_, tape);
}

template <class T>
void Stack<T>::reopen(Index batch, Index time, Span<const Index> lengths, bool initial_given,
                      StackTape<T>& tape) const {
  open(batch, time, lengths, tape, Mode::training);
  tape.initial_given = initial_given;
  tape.kept_bytes = kept_values(config_, tape) * sizeof(T);
  tape.filled = Mode::training;
}

template <class T>
void Stack<T>::forward(const Call<T>& call, const Outputs<T>& outputs, StackTape<T>& tape,
                       Mode mode) const {
  begin(call, tape, mode);
  const SequenceView<const T>& x = call.x;
  const SequenceView<T>& y = outputs.y;
  if (mode == Mode::inference && usable_in_place(tape.schedule, x) &&
      usable_in_place(tape.schedule, y) && !overlap(x, y)) {
    forward_layers({x.data, x.batch_stride, x.time_stride}, {y.data, y.batch_stride, y.time_stride},
                   call.initial, outputs.final, tape, mode);
    return;
  }
  scatter(tape.schedule, forward_to_rows(call, outputs.final, tape, mode), y);
}

template <class T>
Rows<const T> Stack<T>::forward_rows(const Call<T>& call, Span<const StateView<T>> final,
                                     StackTape<T>& tape, Mode mode) const {
  begin(call, tape, mode);
  return forward_to_rows(call, final, tape, mode);
}

template <class T>
Rows<const T> Stack<T>::forward_filled(const Call<T>& call, Span<const StateView<T>> final,
                                       StackTape<T>& tape, Mode mode) const {
  const StepRows<const T> x{tape.x.data(), config_.input_size};
  const StepRows<const T> top = forward_layers(x, {}, call.initial, final, tape, mode);
  return {top.data, top.stride};
}

template <class T>
Rows<const T> Stack<T>::forward_to_rows(const Call<T>& call, Span<const StateView<T>> final,
                                        StackTape<T>& tape, Mode mode) const {
  StepRows<const T> x{call.x.data, call.x.batch_stride, call.x.time_stride};
  if (mode != Mode::inference || !usable_in_place(tape.schedule, call.x)) {
    const Index I = call.x.features;
    const Rows<T> rows{tape.x.reserve(tape.schedule.packed_rows() * I), I};
    gather(tape.schedule, call.x, rows);
    x = {rows.data, rows.stride};
  }
  const StepRows<const T> top = forward_layers(x, {}, call.initial, final, tape, mode);
  return {top.data, top.stride};
}

template <class T>
StepRows<const T> Stack<T>::forward_layers(StepRows<const T> x, StepRows<T> in_place,
                                           Span<const StateView<const T>> initial,
                                           Span<const StateView<T>> final, StackTape<T>& tape,
                                           Mode mode) const {
  const Index N = tape.schedule.packed_rows(), D = config_.directions(), L = config_.layers();
  StepRows<const T> input = x;
  tape.initial_given = !initial.empty();
  const auto work = forward_workspaces_.borrow();
  for (Index layer = 0; layer < L; ++layer) {
    StepRows<T> h = in_place;
    if (layer < L - 1 || h.data == nullptr) {
      const Index width = D * config_.recurrent_size(layer);
      h = {tape.h[at(mode == Mode::inference ? layer % 2 : layer)].reserve(N * width), width};
    }
    forward_layer(layer, input, h, initial, final, tape, mode, *work);
    input = {h.data, h.stride, h.step_stride};
    const bool last = layer == L - 1;
    if (mode == Mode::training && (last ? drops_top(tape) : config_.dropout > 0)) {
      T* const dropped = (last ? tape.top : work->dropped).reserve(N * h.stride);
      draw_dropout(tape.schedule, tape.seed, layer, config_.dropout, h.stride, dropped);
      for (Index i = 0; i < N * h.stride; ++i) dropped[i] *= h.data[i];
      input = {dropped, h.stride};
    }
  }
  tape.filled = mode;
  const Index top = mode == Mode::training && drops_top(tape) ? N * output_size() : 0;
  tape.kept_bytes =
      mode == Mode::inference ? 0 : (kept_values(config_, tape) + at(top)) * sizeof(T);
  return input;
}

template <class T>
void Stack<T>::forward_layer(Index layer, StepRows<const T> input, StepRows<T> h,
                             Span<const StateView<const T>> initial, Span<const StateView<T>> final,
                             StackTape<T>& tape, Mode mode, ForwardWorkspace& work) const {
  const Schedule& schedule = tape.schedule;
  const Index N = schedule.packed_rows(), B = schedule.batch(), D = config_.directions();
  const Index H = config_.hidden_sizes[at(layer)], P = config_.recurrent_size(layer);
  const LayerNoise noise = noise_of(layer, tape, mode);
  const bool keeps = mode != Mode::inference, keeps_all = keeps && tape.keep == Keep::all;
  const bool clips = config_.preactivation_clip.has_value();
  const Backend backend = backend_for(pass(layer, 0).spec, noise, tape.isa);
  work.directions.clear();
  for (Index d = 0; d < D; ++d) {
    const Index p = pass_index(layer, d);
    auto& kept = tape.layers[at(p)];
    begin_state(layer, d, initial, schedule, work);
    T* const state_h = work.state_h[d].data();
    T* const state_c = work.state_c[d].data();
    if (keeps_all) {
      std::copy_n(state_h, B * P, kept.initial_h.reserve(B * P));
      std::copy_n(state_c, B * H, kept.initial_c.reserve(B * H));
    }
    work.directions.push_back(
        {{pass(layer, d).spec, schedule, pass(layer, d).direction, weights_of(pass(layer, d)),
          input, StepRows<T>{h.data + d * P, h.stride, h.step_stride},
          keeps_all ? kept.gates.reserve(N * kGates * H) : nullptr,
          keeps_all ? kept.c.reserve(N * H) : nullptr, state_h, state_c,
          keeps_all ? reserve_norm<T>(pass(layer, d).spec, N, kept) : NormTape<T>{},
          keeps_all && clips ? kept.clipped.reserve(N * H) : nullptr,
          keeps_all && config_.projection_clip ? kept.unclipped.reserve(N * P) : nullptr},
         noise,
         backend,
         pack_forward(pass(layer, d), backend)});
    log_backend("forward", layer, pass(layer, d).direction, pass(layer, d).spec, backend);
  }
  if (keeps && !keeps_all) {
    for (Index d = 0; d < D; ++d) {
      forward_segments(work.directions[at(d)], tape.layers[at(pass_index(layer, d))], work);
    }
  } else {
    run(work.directions, work.scratch);
  }
  for (Index d = 0; d < D && !final.empty(); ++d) {
    scatter_state(schedule, P, work.state_h[d].data(), final[pass_index(layer, d)].h);
    scatter_state(schedule, H, work.state_c[d].data(), final[pass_index(layer, d)].c);
  }
}

#define PEEPHOLE_INSTANTIATE(T)                                                                  \
  template void Stack<T>::forward(const Call<T>&, const Outputs<T>&, StackTape<T>&, Mode) const; \
  template Rows<const T> Stack<T>::forward_rows(const Call<T>&, Span<const StateView<T>>,        \
                                                StackTape<T>&, Mode) const;                      \
  template void Stack<T>::begin(const Call<T>&, StackTape<T>&, Mode) const;                      \
  template Rows<const T> Stack<T>::forward_filled(const Call<T>&, Span<const StateView<T>>,      \
                                                  StackTape<T>&, Mode) const;                    \
  template void Stack<T>::reopen(Index, Index, Span<const Index>, bool, StackTape<T>&) const;
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
PEEPHOLE_INSTANTIATE(Dual)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
