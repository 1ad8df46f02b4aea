#include <algorithm>

#include "layer/rows.hpp"
#include "stack/stack.hpp"

/// Where sequences begin: a state of the caller's, zeros, or h0 and c0, which are parameters.
namespace peephole {
namespace {

/// states (B, size) = `row` (size,) for every sequence.
template <class T>
void repeat(const T* row, Index batch, Index size, T* states) noexcept {
  for (Index b = 0; b < batch; ++b) std::copy_n(row, size, states + b * size);
}

/// sums (size,) = the sum of dstates (B, size) over the sequences, in the order of the schedule.
template <class T>
void sum_rows(const T* dstates, Index batch, Index size, T* sums) noexcept {
  std::fill_n(sums, size, T{0});
  for (Index b = 0; b < batch; ++b) {
    for (Index k = 0; k < size; ++k) sums[k] += dstates[b * size + k];
  }
}

}  // namespace

template <class T>
void Stack<T>::begin_state(Index layer, Index direction, Span<const StateView<const T>> initial,
                           const Schedule& schedule, ForwardWorkspace& work) const {
  const Index B = schedule.batch(), H = config_.hidden_sizes[at(layer)];
  const Index P = config_.recurrent_size(layer);
  T* const state_h = work.state_h[direction].reserve(B * P);
  T* const state_c = work.state_c[direction].reserve(B * H);
  const InitialOffsets learned = initial_offsets(layer, direction);
  if (initial.empty() && learned.h >= 0) {
    const T* const flat = ParametersAccess<T>::flat(*parameters_);
    repeat(flat + learned.h, B, P, state_h);
    repeat(flat + learned.c, B, H, state_c);
    return;
  }
  const Index p = pass_index(layer, direction);
  gather_state(schedule, P, initial.empty() ? nullptr : initial[p].h, state_h);
  gather_state(schedule, H, initial.empty() ? nullptr : initial[p].c, state_c);
}

template <class T>
void Stack<T>::initial_gradients(Index layer, Index direction, const StackTape<T>& tape,
                                 const T* dstate_h, const T* dstate_c, T* dparameters) const {
  const InitialOffsets learned = initial_offsets(layer, direction);
  if (learned.h < 0) return;
  const Index B = tape.initial_given ? 0 : tape.schedule.batch();
  const Index H = config_.hidden_sizes[at(layer)], P = config_.recurrent_size(layer);
  sum_rows(dstate_h, B, P, dparameters + learned.h);
  sum_rows(dstate_c, B, H, dparameters + learned.c);
}

#define PEEPHOLE_INSTANTIATE(T)                                                                    \
  template void Stack<T>::begin_state(Index, Index, Span<const StateView<const T>>,                \
                                      const Schedule&, ForwardWorkspace&) const;                   \
  template void Stack<T>::initial_gradients(Index, Index, const StackTape<T>&, const T*, const T*, \
                                            T*) const;
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
PEEPHOLE_INSTANTIATE(Dual)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
