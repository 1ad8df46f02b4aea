#include <algorithm>

#include "layer/noise.hpp"
#include "layer/rows.hpp"
#include "stack/stack.hpp"

namespace peephole {
namespace {

/// products (rows, columns) *= values, entry by entry.
template <class T>
void multiply_rows(Rows<const T> values, Index rows, Index columns, T* products) noexcept {
  for (Index r = 0; r < rows; ++r) {
    for (Index k = 0; k < columns; ++k) products[r * columns + k] *= values.row(r)[k];
  }
}

}  // namespace

template <class T>
void Stack<T>::backward(const StackTape<T>& tape, Rows<const T> dtop,
                        Span<const StateView<const T>> dfinal, const InputGradients<T>& inputs,
                        T* dparameters, IsaChoice isa, Rows<T> dx) const {
  const Index N = tape.schedule.packed_rows();
  const auto work = backward_workspaces_.borrow();
  Rows<const T> dh = dtop;
  if (drops_top(tape)) {
    const Index layers = config_.layers();
    T* const dropped = work->dh[layers % 2].reserve(N * output_size());
    draw_dropout(tape.schedule, tape.seed, layers - 1, config_.dropout, output_size(), dropped);
    multiply_rows(dtop, N, output_size(), dropped);
    dh = {dropped, output_size()};
  }
  for (Index layer = config_.layers() - 1; layer >= 0; --layer) {
    const Index I = config_.layer_input_size(layer);
    Rows<T> dinput{nullptr, I};
    if (layer == 0 && dx.data != nullptr) {
      dinput = dx;
    } else if (layer > 0 || inputs.x.data != nullptr) {
      dinput.data = work->dh[layer % 2].reserve(N * I);
    }
    Rows<const T> x{layer == 0 ? tape.x.data() : tape.h[at(layer - 1)].data(), I};
    const bool drops = layer > 0 && config_.dropout > 0;
    T* const factors = drops ? work->factors.reserve(N * I) : nullptr;
    if (drops) {
      T* const dropped = work->dropped.reserve(N * I);
      draw_dropout(tape.schedule, tape.seed, layer - 1, config_.dropout, I, factors);
      std::copy_n(factors, N * I, dropped);
      multiply_rows(x, N, I, dropped);
      x = {dropped, I};
    }
    backward_layer(layer, tape, x, dh, dinput, dfinal, inputs.initial, dparameters, isa, *work);
    if (drops) multiply_rows(Rows<const T>{factors, I}, N, I, dinput.data);
    dh = {dinput.data, dinput.stride};
  }
  if (inputs.x.data != nullptr) scatter(tape.schedule, dh, inputs.x);
  ParametersAccess<T>::mask_gradients(*parameters_, dparameters);
}

template <class T>
void Stack<T>::backward_layer(Index layer, const StackTape<T>& tape, Rows<const T> x,
                              Rows<const T> dh, Rows<T> dx, Span<const StateView<const T>> dfinal,
                              Span<const StateView<T>> dinitial, T* dparameters, IsaChoice isa,
                              BackwardWorkspace& work) const {
  const Schedule& schedule = tape.schedule;
  const Index N = schedule.packed_rows(), B = schedule.batch(), D = config_.directions();
  const Index I = config_.layer_input_size(layer), H = config_.hidden_sizes[at(layer)];
  const Index P = config_.recurrent_size(layer);
  const T* const h = tape.h[at(layer)].data();
  const bool two_parts = D == 2 && dx.data != nullptr;
  T* const second_part = two_parts ? work.dx_part.reserve(N * I) : dx.data;

  const LayerNoise noise = noise_of(layer, tape, Mode::training);
  const Backend backend = backend_for(pass(layer, 0).spec, noise, isa);
  work.directions.clear();
  for (Index d = 0; d < D; ++d) {
    const Index p = pass_index(layer, d);
    const auto& kept = tape.layers[at(p)];
    T* const dstate_h = work.dstate_h[d].reserve(B * P);
    T* const dstate_c = work.dstate_c[d].reserve(B * H);
    gather_state(schedule, P, dfinal.empty() ? nullptr : dfinal[p].h, dstate_h);
    gather_state(schedule, H, dfinal.empty() ? nullptr : dfinal[p].c, dstate_c);
    work.directions.push_back({{pass(layer, d).spec,
                                schedule,
                                pass(layer, d).direction,
                                weights_of(pass(layer, d)),
                                x,
                                Rows<const T>{h + d * P, D * P},
                                kept.gates.data(),
                                kept.c.data(),
                                kept.initial_h.data(),
                                kept.initial_c.data(),
                                Rows<const T>{dh.data + d * P, dh.stride},
                                Rows<T>{d == 0 ? dx.data : second_part, I},
                                dstate_h,
                                dstate_c,
                                gradients_of(pass(layer, d), dparameters),
                                /*accumulate=*/false,
                                {kept.normalised.data(), kept.scales.data()},
                                config_.preactivation_clip ? kept.clipped.data() : nullptr,
                                kept.unclipped.data()},
                               noise,
                               backend,
                               pack_backward(pass(layer, d), backend, schedule)});
    log_backend("backward", layer, pass(layer, d).direction, pass(layer, d).spec, backend);
  }
  if (tape.keep == Keep::segments) {
    const Backend forward = backend_for(pass(layer, 0).spec, noise, tape.isa);
    for (Index d = 0; d < D; ++d) {
      const auto& kept = tape.layers[at(pass_index(layer, d))];
      backward_segments(work.directions[at(d)], kept, pass(layer, d), forward, work);
    }
  } else {
    run(work.directions, work.scratch);
  }
  for (Index i = 0; two_parts && i < N * I; ++i) dx.data[i] += second_part[i];
  for (Index d = 0; d < D; ++d) {
    initial_gradients(layer, d, tape, work.dstate_h[d].data(), work.dstate_c[d].data(),
                      dparameters);
  }
  for (Index d = 0; d < D && !dinitial.empty(); ++d) {
    scatter_state(schedule, P, work.dstate_h[d].data(), dinitial[pass_index(layer, d)].h);
    scatter_state(schedule, H, work.dstate_c[d].data(), dinitial[pass_index(layer, d)].c);
  }
}

#define PEEPHOLE_INSTANTIATE(T)                                                                  \
  template void Stack<T>::backward(const StackTape<T>&, Rows<const T>,                           \
                                   Span<const StateView<const T>>, const InputGradients<T>&, T*, \
                                   IsaChoice, Rows<T>) const;
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
PEEPHOLE_INSTANTIATE(Dual)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
