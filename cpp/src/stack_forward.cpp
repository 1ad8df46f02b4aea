#include <algorithm>

#include "packing.hpp"
#include "stack.hpp"

namespace peephole {
namespace {

std::size_t at(Index i) noexcept { return static_cast<std::size_t>(i); }

/// Bytes of what a tape keeps of a batch.
std::size_t kept_values(const LSTMConfig& config, const Schedule& schedule) noexcept {
  const Index N = schedule.packed_rows(), B = schedule.batch();
  Index values = N * config.input_size;
  for (Index H : config.hidden_sizes) {
    values += config.directions() * (N * (kGates + 2) * H + 2 * B * H);
  }
  return at(values);
}

}  // namespace

template <class T>
Rows<const T> Stack<T>::forward(SequenceView<const T> x, Span<const Index> lengths,
                                Span<const StateView<const T>> initial,
                                Span<const StateView<T>> final, StackRecord<T>& record,
                                bool training) const {
  parameters_->settle();
  record.training = false;  // until all is there
  record.schedule.assign(x.batch, x.time, lengths);
  record.identity = parameters_->identity();
  record.writes = parameters_->writes();
  record.h.resize(training ? at(config_.layers()) : 2);
  record.layers.resize(passes_.size());
  const Index N = record.schedule.packed_rows(), D = config_.directions();

  const Rows<T> packed_x{record.x.reserve(N * x.features), x.features};
  gather(record.schedule, x, packed_x);
  Rows<const T> input{packed_x.data, packed_x.stride};
  const auto work = forward_workspaces_.borrow();
  for (Index layer = 0; layer < config_.layers(); ++layer) {
    const Index width = D * config_.hidden_sizes[at(layer)];
    Buffer<T>& output = record.h[at(training ? layer : layer % 2)];
    const Rows<T> h{output.reserve(N * width), width};
    forward_layer(layer, input, h, initial, final, record, training, *work);
    input = {h.data, h.stride};
  }
  record.training = training;
  record.bytes = training ? kept_values(config_, record.schedule) * sizeof(T) : 0;
  return input;
}

template <class T>
void Stack<T>::forward_layer(Index layer, Rows<const T> input, Rows<T> h,
                             Span<const StateView<const T>> initial, Span<const StateView<T>> final,
                             StackRecord<T>& record, bool training, ForwardWorkspace& work) const {
  const Schedule& schedule = record.schedule;
  const Index N = schedule.packed_rows(), B = schedule.batch(), D = config_.directions();
  const Index H = config_.hidden_sizes[at(layer)];
  work.tasks.clear();
  for (Index d = 0; d < D; ++d) {
    const Index p = pass_index(layer, d);
    auto& kept = record.layers[at(p)];
    T* const state_h = work.state_h[d].reserve(B * H);
    T* const state_c = work.state_c[d].reserve(B * H);
    gather_state(schedule, H, initial.empty() ? nullptr : initial[p].h, state_h);
    gather_state(schedule, H, initial.empty() ? nullptr : initial[p].c, state_c);
    if (training) {
      std::copy_n(state_h, B * H, kept.initial_h.reserve(B * H));
      std::copy_n(state_c, B * H, kept.initial_c.reserve(B * H));
    }
    work.tasks.push_back({{pass(layer, d).spec, schedule, pass(layer, d).direction,
                           weights_of(pass(layer, d)), input, Rows<T>{h.data + d * H, h.stride},
                           training ? kept.gates.reserve(N * kGates * H) : nullptr,
                           training ? kept.c.reserve(N * H) : nullptr, state_h, state_c},
                          pack_forward(pass(layer, d))});
  }
  run(work.tasks, work.scratch);
  for (Index d = 0; d < D && !final.empty(); ++d) {
    scatter_state(schedule, H, work.state_h[d].data(), final[pass_index(layer, d)].h);
    scatter_state(schedule, H, work.state_c[d].data(), final[pass_index(layer, d)].c);
  }
}

template Rows<const float> Stack<float>::forward(SequenceView<const float>, Span<const Index>,
                                                 Span<const StateView<const float>>,
                                                 Span<const StateView<float>>, StackRecord<float>&,
                                                 bool) const;
template Rows<const double> Stack<double>::forward(SequenceView<const double>, Span<const Index>,
                                                   Span<const StateView<const double>>,
                                                   Span<const StateView<double>>,
                                                   StackRecord<double>&, bool) const;

}  // namespace peephole
