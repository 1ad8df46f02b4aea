#include "packing.hpp"
#include "stack.hpp"

namespace peephole {
namespace {

std::size_t at(Index i) noexcept { return static_cast<std::size_t>(i); }

}  // namespace

template <class T>
void Stack<T>::backward(const StackRecord<T>& record, Rows<const T> dtop,
                        Span<const StateView<const T>> dfinal, SequenceView<T> dx,
                        Span<const StateView<T>> dinitial, T* dparameters) const {
  parameters_->settle();
  const Index N = record.schedule.packed_rows();
  const auto work = backward_workspaces_.borrow();
  Rows<const T> dh = dtop;
  for (Index layer = config_.layers() - 1; layer >= 0; --layer) {
    const Index I = config_.layer_input_size(layer);
    Rows<T> dinput{nullptr, I};
    if (layer > 0 || dx.data != nullptr) dinput.data = work->dh[layer % 2].reserve(N * I);
    backward_layer(layer, record, dh, dinput, dfinal, dinitial, dparameters, *work);
    dh = {dinput.data, dinput.stride};
  }
  if (dx.data != nullptr) scatter(record.schedule, dh, dx);
  parameters_->mask_gradients(dparameters);
}

template <class T>
void Stack<T>::backward_layer(Index layer, const StackRecord<T>& record, Rows<const T> dh,
                              Rows<T> dx, Span<const StateView<const T>> dfinal,
                              Span<const StateView<T>> dinitial, T* dparameters,
                              BackwardWorkspace& work) const {
  const Schedule& schedule = record.schedule;
  const Index N = schedule.packed_rows(), B = schedule.batch(), D = config_.directions();
  const Index I = config_.layer_input_size(layer), H = config_.hidden_sizes[at(layer)];
  const T* const x = layer == 0 ? record.x.data() : record.h[at(layer - 1)].data();
  const T* const h = record.h[at(layer)].data();
  const bool two_parts = D == 2 && dx.data != nullptr;
  T* const second_part = two_parts ? work.dx_part.reserve(N * I) : dx.data;

  work.tasks.clear();
  for (Index d = 0; d < D; ++d) {
    const Index p = pass_index(layer, d);
    const auto& kept = record.layers[at(p)];
    T* const dstate_h = work.dstate_h[d].reserve(B * H);
    T* const dstate_c = work.dstate_c[d].reserve(B * H);
    gather_state(schedule, H, dfinal.empty() ? nullptr : dfinal[p].h, dstate_h);
    gather_state(schedule, H, dfinal.empty() ? nullptr : dfinal[p].c, dstate_c);
    work.tasks.push_back(
        {{pass(layer, d).spec, schedule, pass(layer, d).direction, weights_of(pass(layer, d)),
          Rows<const T>{x, I}, Rows<const T>{h + d * H, D * H}, kept.gates.data(), kept.c.data(),
          kept.initial_h.data(), kept.initial_c.data(), Rows<const T>{dh.data + d * H, dh.stride},
          Rows<T>{d == 0 ? dx.data : second_part, I}, dstate_h, dstate_c,
          gradients_of(pass(layer, d), dparameters)},
         pack_backward(pass(layer, d), schedule)});
  }
  run(work.tasks, work.scratch);
  for (Index i = 0; two_parts && i < N * I; ++i) dx.data[i] += second_part[i];
  for (Index d = 0; d < D && !dinitial.empty(); ++d) {
    scatter_state(schedule, H, work.dstate_h[d].data(), dinitial[pass_index(layer, d)].h);
    scatter_state(schedule, H, work.dstate_c[d].data(), dinitial[pass_index(layer, d)].c);
  }
}

template void Stack<float>::backward(const StackRecord<float>&, Rows<const float>,
                                     Span<const StateView<const float>>, SequenceView<float>,
                                     Span<const StateView<float>>, float*) const;
template void Stack<double>::backward(const StackRecord<double>&, Rows<const double>,
                                      Span<const StateView<const double>>, SequenceView<double>,
                                      Span<const StateView<double>>, double*) const;

}  // namespace peephole
