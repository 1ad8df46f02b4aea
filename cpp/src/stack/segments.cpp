#include <algorithm>

#include "stack/stack.hpp"

namespace peephole {

template <class T>
void Stack<T>::forward_segments(const ForwardDirection<T>& direction,
                                typename StackTape<T>::Layer& kept, ForwardWorkspace& work) const {
  const LayerForward<T>& whole = direction.layer;
  const Index B = whole.schedule.batch(), H = whole.spec.hidden_size;
  const Index size_h = B * whole.spec.recurrent_size(), size_c = B * H;
  cut<T>(whole.schedule, whole.direction, H, kept.segments);
  const auto count = static_cast<Index>(kept.segments.size());
  T* initial_h = kept.initial_h.reserve(count * size_h);
  T* initial_c = kept.initial_c.reserve(count * size_c);
  std::vector<ForwardDirection<T>>& one = work.direction_of_part;
  for (const Segment& segment : kept.segments) {
    initial_h = std::copy_n(whole.state_h, size_h, initial_h);
    initial_c = std::copy_n(whole.state_c, size_c, initial_c);
    work.part.assign(whole.schedule, segment.first, segment.last);
    const Index row = whole.schedule.offset(segment.first);
    one.clear();
    one.push_back({{whole.spec, work.part, whole.direction, whole.weights,
                    StepRows<const T>{whole.x.data + row * whole.x.stride, whole.x.stride},
                    StepRows<T>{whole.h.data + row * whole.h.stride, whole.h.stride}, nullptr,
                    nullptr, whole.state_h, whole.state_c},
                   direction.noise,
                   direction.backend,
                   direction.packed});
    run(one, work.scratch);
  }
}

template <class T>
void Stack<T>::backward_segments(const BackwardDirection<T>& direction,
                                 const typename StackTape<T>::Layer& kept, const Pass& pass,
                                 const Backend& forward, BackwardWorkspace& work) const {
  const LayerBackward<T>& whole = direction.layer;
  const Index I = whole.spec.input_size, H = whole.spec.hidden_size;
  const Index P = whole.spec.recurrent_size(), B = whole.schedule.batch();
  const auto packed = pack_forward(pass, forward);
  const auto again = forward_workspaces_.borrow();
  T* const state_h = again->state_h[0].reserve(B * P);
  T* const state_c = again->state_c[0].reserve(B * H);
  std::vector<BackwardDirection<T>>& one = work.direction_of_part;
  bool accumulate = false;
  for (auto n = static_cast<Index>(kept.segments.size()) - 1; n >= 0; --n, accumulate = true) {
    const Segment segment = kept.segments[static_cast<std::size_t>(n)];
    work.part.assign(whole.schedule, segment.first, segment.last);
    const Index row = whole.schedule.offset(segment.first), rows = work.part.packed_rows();
    const T* const initial_h = kept.initial_h.data() + n * B * P;
    const T* const initial_c = kept.initial_c.data() + n * B * H;
    T* const gates = work.gates.reserve(rows * kGates * H);
    T* const c = work.c.reserve(rows * H);
    T* const clipped = whole.spec.clips_preactivations() ? work.clipped.reserve(rows * H) : nullptr;
    T* const unclipped = whole.spec.projection_clip ? work.unclipped.reserve(rows * P) : nullptr;
    const NormTape<T> norm = reserve_norm<T>(whole.spec, rows, work);
    const Rows<const T> x{whole.x.row(row), whole.x.stride};

    std::copy_n(initial_h, B * P, state_h);
    std::copy_n(initial_c, B * H, state_c);
    again->directions.clear();
    again->directions.push_back(
        {{whole.spec, work.part, whole.direction, whole.weights,
          StepRows<const T>{x.data, x.stride}, StepRows<T>{work.h.reserve(rows * P), P}, gates, c,
          state_h, state_c, norm, clipped, unclipped},
         direction.noise,
         forward,
         packed});
    run(again->directions, again->scratch);

    one.clear();
    one.push_back({{whole.spec,
                    work.part,
                    whole.direction,
                    whole.weights,
                    x,
                    Rows<const T>{whole.h.row(row), whole.h.stride},
                    gates,
                    c,
                    initial_h,
                    initial_c,
                    Rows<const T>{whole.dh.row(row), whole.dh.stride},
                    Rows<T>{whole.dx.data ? whole.dx.row(row) : nullptr, I},
                    whole.dstate_h,
                    whole.dstate_c,
                    whole.dweights,
                    accumulate,
                    {norm.normalised, norm.scales},
                    clipped,
                    unclipped},
                   direction.noise,
                   direction.backend,
                   direction.packed});
    run(one, work.scratch);
  }
}

#define PEEPHOLE_INSTANTIATE(T)                                                              \
  template void Stack<T>::forward_segments(const ForwardDirection<T>&, StackTape<T>::Layer&, \
                                           ForwardWorkspace&) const;                         \
  template void Stack<T>::backward_segments(const BackwardDirection<T>&,                     \
                                            const StackTape<T>::Layer&, const Pass&,         \
                                            const Backend&, BackwardWorkspace&) const;
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
PEEPHOLE_INSTANTIATE(Dual)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
