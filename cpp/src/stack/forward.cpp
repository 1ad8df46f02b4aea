#include <algorithm>
#include <functional>

#include "layer/noise.hpp"
#include "layer/rows.hpp"
#include "stack/stack.hpp"

namespace peephole {
namespace {

std::size_t at(Index i) noexcept { return static_cast<std::size_t>(i); }

/// How many values a tape keeps of a batch.
template <class T>
std::size_t kept_values(const LSTMConfig& config, const StackRecord<T>& record) noexcept {
  const Index N = record.schedule.packed_rows(), B = record.schedule.batch();
  const Index D = config.directions();
  Index values = N * config.input_size;
  for (Index layer = 0; layer < config.layers(); ++layer) {
    const Index H = config.hidden_sizes[at(layer)];
    for (Index d = 0; d < D; ++d) {
      const auto segments = static_cast<Index>(record.layers[at(layer * D + d)].segments.size());
      values += record.keep == Keep::all ? N * (kGates + 2) * H + 2 * B * H
                                         : N * H + 2 * segments * B * H;
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

/// Whether both arrays can serve as they lie: strides as nobody would make them are left to copies.
template <class T>
bool usable_in_place(const Schedule& schedule, const SequenceView<const T>& x,
                     const SequenceView<T>& y) noexcept {
  const auto ordered = [](const auto& view) {
    return (view.batch_stride > 0 || view.batch == 1) && view.time_stride > 0;
  };
  return schedule.even() && schedule.packed_rows() > 0 && ordered(x) && ordered(y) &&
         !overlap(x, y);
}

}  // namespace

template <class T>
void Stack<T>::begin(const SequenceView<const T>& x, Span<const Index> lengths,
                     StackRecord<T>& record, bool training) const {
  parameters_->settle();
  record.training = false;  // until all is there
  record.isa = chosen_isa();
  record.schedule.assign(x.batch, x.time, lengths);
  record.identity = parameters_->identity();
  record.writes = parameters_->writes();
  record.h.resize(training ? at(config_.layers()) : 2);
  record.layers.resize(passes_.size());
}

template <class T>
void Stack<T>::forward(SequenceView<const T> x, Span<const Index> lengths,
                       Span<const StateView<const T>> initial, SequenceView<T> y,
                       Span<const StateView<T>> final, StackRecord<T>& record,
                       bool training) const {
  begin(x, lengths, record, training);
  if (!training && usable_in_place(record.schedule, x, y)) {
    forward_layers({x.data, x.batch_stride, x.time_stride}, {y.data, y.batch_stride, y.time_stride},
                   initial, final, record, training);
    return;
  }
  const Rows<const T> top = pack_and_forward(x, initial, final, record, training);
  scatter(record.schedule, top, y);
}

template <class T>
Rows<const T> Stack<T>::forward_rows(SequenceView<const T> x, Span<const Index> lengths,
                                     Span<const StateView<const T>> initial,
                                     Span<const StateView<T>> final, StackRecord<T>& record,
                                     bool training) const {
  begin(x, lengths, record, training);
  return pack_and_forward(x, initial, final, record, training);
}

template <class T>
Rows<const T> Stack<T>::pack_and_forward(const SequenceView<const T>& x,
                                         Span<const StateView<const T>> initial,
                                         Span<const StateView<T>> final, StackRecord<T>& record,
                                         bool training) const {
  const Rows<T> packed{record.x.reserve(record.schedule.packed_rows() * x.features), x.features};
  gather(record.schedule, x, packed);
  const StepRows<const T> top =
      forward_layers({packed.data, packed.stride}, {}, initial, final, record, training);
  return {top.data, top.stride};
}

template <class T>
StepRows<const T> Stack<T>::forward_layers(StepRows<const T> x, StepRows<T> in_place,
                                           Span<const StateView<const T>> initial,
                                           Span<const StateView<T>> final, StackRecord<T>& record,
                                           bool training) const {
  const Index N = record.schedule.packed_rows(), D = config_.directions(), L = config_.layers();
  StepRows<const T> input = x;
  const auto work = forward_workspaces_.borrow();
  for (Index layer = 0; layer < L; ++layer) {
    StepRows<T> h = in_place;
    if (layer < L - 1 || h.data == nullptr) {
      const Index width = D * config_.hidden_sizes[at(layer)];
      h = {record.h[at(training ? layer : layer % 2)].reserve(N * width), width};
    }
    forward_layer(layer, input, h, initial, final, record, training, *work);
    input = {h.data, h.stride, h.step_stride};
    const bool last = layer == L - 1;
    if (training && (last ? drops_top(record) : config_.dropout > 0)) {
      T* const dropped = (last ? record.top : work->dropped).reserve(N * h.stride);
      draw_dropout(record.schedule, record.seed, layer, config_.dropout, h.stride, dropped);
      for (Index i = 0; i < N * h.stride; ++i) dropped[i] *= h.data[i];
      input = {dropped, h.stride};
    }
  }
  record.training = training;
  const Index top = training && drops_top(record) ? N * output_size() : 0;
  record.bytes = training ? (kept_values(config_, record) + at(top)) * sizeof(T) : 0;
  return input;
}

template <class T>
void Stack<T>::forward_layer(Index layer, StepRows<const T> input, StepRows<T> h,
                             Span<const StateView<const T>> initial, Span<const StateView<T>> final,
                             StackRecord<T>& record, bool training, ForwardWorkspace& work) const {
  const Schedule& schedule = record.schedule;
  const Index N = schedule.packed_rows(), B = schedule.batch(), D = config_.directions();
  const Index H = config_.hidden_sizes[at(layer)];
  const LayerNoise noise = noise_of(layer, record, training);
  const bool keeps_all = training && record.keep == Keep::all;
  const Backend backend = backend_for(pass(layer, 0).spec, noise, record.isa);
  work.directions.clear();
  for (Index d = 0; d < D; ++d) {
    const Index p = pass_index(layer, d);
    auto& kept = record.layers[at(p)];
    T* const state_h = work.state_h[d].reserve(B * H);
    T* const state_c = work.state_c[d].reserve(B * H);
    gather_state(schedule, H, initial.empty() ? nullptr : initial[p].h, state_h);
    gather_state(schedule, H, initial.empty() ? nullptr : initial[p].c, state_c);
    if (keeps_all) {
      std::copy_n(state_h, B * H, kept.initial_h.reserve(B * H));
      std::copy_n(state_c, B * H, kept.initial_c.reserve(B * H));
    }
    work.directions.push_back(
        {{pass(layer, d).spec, schedule, pass(layer, d).direction, weights_of(pass(layer, d)),
          input, StepRows<T>{h.data + d * H, h.stride, h.step_stride},
          keeps_all ? kept.gates.reserve(N * kGates * H) : nullptr,
          keeps_all ? kept.c.reserve(N * H) : nullptr, state_h, state_c},
         noise,
         backend,
         pack_forward(pass(layer, d), backend)});
    log_backend("forward", layer, pass(layer, d).direction, pass(layer, d).spec, backend);
  }
  if (training && !keeps_all) {
    for (Index d = 0; d < D; ++d) {
      forward_segments(work.directions[at(d)], record.layers[at(pass_index(layer, d))], work);
    }
  } else {
    run(work.directions, work.scratch);
  }
  for (Index d = 0; d < D && !final.empty(); ++d) {
    scatter_state(schedule, H, work.state_h[d].data(), final[pass_index(layer, d)].h);
    scatter_state(schedule, H, work.state_c[d].data(), final[pass_index(layer, d)].c);
  }
}

#define PEEPHOLE_INSTANTIATE(T)                                                           \
  template void Stack<T>::forward(SequenceView<const T>, Span<const Index>,               \
                                  Span<const StateView<const T>>, SequenceView<T>,        \
                                  Span<const StateView<T>>, StackRecord<T>&, bool) const; \
  template Rows<const T> Stack<T>::forward_rows(                                          \
      SequenceView<const T>, Span<const Index>, Span<const StateView<const T>>,           \
      Span<const StateView<T>>, StackRecord<T>&, bool) const;
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
