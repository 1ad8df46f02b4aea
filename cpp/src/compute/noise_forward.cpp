#include <algorithm>

#include "compute/noise.hpp"

namespace peephole {

template <class T>
void mix_zoneout(double zoneout, const T* previous, T* state, Index size) noexcept {
  const T z = static_cast<T>(zoneout), rest = 1 - z;
  for (Index k = 0; k < size; ++k) state[k] = z * previous[k] + rest * state[k];
}

template <class T>
void draw_factors(const Schedule& schedule, Direction direction, const LayerNoise& noise, Index P,
                  kernels::RankRange ranks, T* factors) noexcept {
  const Choice dropped = noise.choice(Noise::recurrent_dropout, direction);
  const T kept = kept_factor<T>(noise.recurrent_dropout);
  for (Index rank = ranks.begin; rank < ranks.end; ++rank) {
    dropped.draw(schedule.sequence(rank), 0, T{0}, kept, factors + rank * P, P);
  }
}

template <class T>
ForwardNoise<T>::ForwardNoise(const LayerForward<T>& layer, const LayerNoise& noise,
                              ForwardNoiseScratch<T>& scratch)
    : layer_(layer), noise_(noise), H_(layer.spec.hidden_size), P_(layer.spec.recurrent_size()) {
  const Index B = layer.schedule.batch();
  if (noise.drops()) factors_ = scratch.factors.reserve(B * P_);
  if (noise.zones()) {
    previous_h_ = scratch.previous_h.reserve(B * P_);
    previous_c_ = scratch.previous_c.reserve(B * H_);
  }
}

template <class T>
void ForwardNoise<T>::run(const kernels::ForwardTask<T>& task, Isa isa, kernels::RankRange ranks,
                          Interruption& interruption) const noexcept {
  const Index steps = task.step_count;
  if (noise_.drops()) draw_factors(layer_.schedule, layer_.direction, noise_, P_, ranks, factors_);
  kernels::ForwardTask<T> piece = task;
  piece.step_count = 1;
  for (Index s = 0; s < steps && !interruption.poll(); ++s) {
    piece.steps = task.steps + s;
    const kernels::ForwardStep& now = task.steps[s];
    if (noise_.zones()) {
      std::copy_n(task.state_h, now.rows * P_, previous_h_ + ranks.begin * P_);
      std::copy_n(task.state_c, now.rows * H_, previous_c_ + ranks.begin * H_);
    }
    if (noise_.drops()) {
      const T* const factors = factors_ + ranks.begin * P_;
      for (Index k = 0; k < now.rows * P_; ++k) task.state_h[k] *= factors[k];
    }
    kernels::run_forward(piece, isa);
    // The steps of a task are those of the schedule that have rows of its ranks, the first ones.
    const Index t = layer_.direction == Direction::forward ? s : steps - 1 - s;
    if (noise_.zones()) zone(task, now, t, ranks.begin);
  }
}

template <class T>
void ForwardNoise<T>::zone(const kernels::ForwardTask<T>& task, const kernels::ForwardStep& now,
                           Index t, Index first_rank) const noexcept {
  const Choice of_h = noise_.choice(Noise::zoneout_h, layer_.direction);
  const Choice of_c = noise_.choice(Noise::zoneout_c, layer_.direction);
  const Index time = layer_.schedule.begin() + t;
  for (Index r = 0; r < now.rows; ++r) {
    const Index rank = first_rank + r, sequence = layer_.schedule.sequence(rank);
    T* const h = task.state_h + r * P_;
    T* const c = task.state_c + r * H_;
    const T* const previous_h = previous_h_ + rank * P_;
    const T* const previous_c = previous_c_ + rank * H_;
    if (noise_.expected) {
      mix_zoneout(noise_.zoneout, previous_h, h, P_);
      mix_zoneout(noise_.zoneout, previous_c, c, H_);
    } else {
      of_h.keep(sequence, time, previous_h, h, P_);
      of_c.keep(sequence, time, previous_c, c, H_);
    }
    std::copy_n(h, P_, task.h + now.h + r * task.h_stride);
    if (task.c != nullptr) std::copy_n(c, H_, task.c + (now.row + r) * H_);
  }
}

#define PEEPHOLE_INSTANTIATE(T)                                                    \
  template void mix_zoneout(double, const T*, T*, Index) noexcept;                 \
  template void draw_factors(const Schedule&, Direction, const LayerNoise&, Index, \
                             kernels::RankRange, T*) noexcept;                     \
  template class ForwardNoise<T>;
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
