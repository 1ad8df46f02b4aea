#include <algorithm>

#include "compute/noise.hpp"

namespace peephole {

template <class T>
BackwardNoise<T>::BackwardNoise(const LayerBackward<T>& layer, const LayerNoise& noise,
                                BackwardNoiseScratch<T>& scratch, kernels::BackwardTask<T>& task)
    : layer_(layer), noise_(noise), H_(layer.spec.hidden_size), P_(layer.spec.recurrent_size()) {
  const Index N = layer.schedule.packed_rows(), B = layer.schedule.batch();
  if (noise.drops()) {
    factors_ = scratch.factors.reserve(B * P_);
    task.h = given_h_ = scratch.given_h.reserve(N * P_);
    task.h_stride = P_;
    task.initial_h = given_initial_h_ = scratch.given_initial_h.reserve(B * P_);
  }
  if (noise.zones()) {
    kept_dh_ = scratch.kept_dh.reserve(B * P_);
    kept_dc_ = scratch.kept_dc.reserve(B * H_);
    task.c = updated_c_ = scratch.updated_c.reserve(N * H_);
    // The gradient from above is added before zoneout divides it: the kernels add zeros.
    T* const zeros = scratch.zeros.reserve(P_);
    std::fill_n(zeros, P_, T{0});
    task.dh = zeros;
    task.dh_stride = 0;
  }
}

template <class T>
void BackwardNoise<T>::run_recurrence(const kernels::BackwardTask<T>& task, Isa isa, Index chunk,
                                      kernels::RankRange ranks) const noexcept {
  if (chunk == 0 && noise_.drops()) drop_initial_h(ranks);
  const kernels::BackwardChunk& all = task.chunks[chunk];
  kernels::BackwardChunk one = all;
  kernels::BackwardTask<T> piece = task;
  piece.chunks = &one;
  const Index steps = layer_.schedule.steps();
  for (Index s = all.first; s < all.last; ++s) {
    const kernels::Step step = task.steps[s];
    const Index t = layer_.direction == Direction::forward ? steps - 1 - s : s;
    const Index count = std::min(step.rows, ranks.end) - ranks.begin;
    if (count <= 0) continue;
    const StepRanks now = {t, step.row + ranks.begin, ranks.begin, count};
    before(task, now);
    one.first = s;
    one.last = s + 1;
    kernels::run_recurrence(piece, isa, 0, ranks);
    after(now);
  }
}

template <class T>
void BackwardNoise<T>::drop_initial_h(kernels::RankRange ranks) const noexcept {
  draw_factors(layer_.schedule, layer_.direction, noise_, P_, ranks, factors_);
  for (Index k = ranks.begin * P_; k < ranks.end * P_; ++k) {
    given_initial_h_[k] = layer_.initial_h[k] * factors_[k];
  }
}

template <class T>
void BackwardNoise<T>::before(const kernels::BackwardTask<T>& task,
                              const StepRanks& now) const noexcept {
  if (noise_.drops()) drop_previous_h(task, now);
  if (noise_.zones()) zone(task, now);
}

/// given_h = h_{t-1} ⊙ m / (1 - p), which the gradient of R is a product of.
template <class T>
void BackwardNoise<T>::drop_previous_h(const kernels::BackwardTask<T>& task,
                                       const StepRanks& now) const noexcept {
  for (Index r = 0; r < now.count; ++r) {
    const Index previous = task.previous[now.row + r];
    if (previous < 0) continue;  // the initial state
    const T* const h = layer_.h.row(previous);
    const T* const factors = factors_ + (now.first_rank + r) * P_;
    T* const given = given_h_ + previous * P_;
    for (Index k = 0; k < P_; ++k) given[k] = h[k] * factors[k];
  }
}

/// kept = z ⊙ d: the part of the gradient d that goes to the step before; the rest stays in d.
template <class T>
void BackwardNoise<T>::zone(const kernels::BackwardTask<T>& task,
                            const StepRanks& now) const noexcept {
  const Choice of_h = noise_.choice(Noise::zoneout_h, layer_.direction);
  const Choice of_c = noise_.choice(Noise::zoneout_c, layer_.direction);
  const Index time = layer_.schedule.begin() + now.t;
  for (Index r = 0; r < now.count; ++r) {
    const Index rank = now.first_rank + r, sequence = layer_.schedule.sequence(rank);
    const T* const above = layer_.dh.row(now.row + r);
    T* const dh = layer_.dstate_h + rank * P_;
    T* const dc = layer_.dstate_c + rank * H_;
    T* const kept_dh = kept_dh_ + rank * P_;
    T* const kept_dc = kept_dc_ + rank * H_;
    of_h.draw(sequence, time, T{1}, T{0}, kept_dh, P_);
    of_c.draw(sequence, time, T{1}, T{0}, kept_dc, H_);
    for (Index k = 0; k < P_; ++k) {
      const T d = dh[k] + above[k];
      kept_dh[k] *= d;
      dh[k] = d - kept_dh[k];
    }
    for (Index k = 0; k < H_; ++k) {
      kept_dc[k] *= dc[k];
      dc[k] -= kept_dc[k];
    }
    update_again(task, now.row + r);
  }
}

/// c = f ⊙ c_{t-1} + g ⊙ i, clipped, of which zoneout may have replaced values by those of c_{t-1}.
template <class T>
void BackwardNoise<T>::update_again(const kernels::BackwardTask<T>& task,
                                    Index row) const noexcept {
  const Index previous = task.previous[row];
  const T* const previous_c =
      previous >= 0 ? layer_.c + previous * H_ : layer_.initial_c + ~previous * H_;
  const T* const gates = layer_.gates + row * kGates * H_;
  const T* const i = gates + index(Gate::input) * H_;
  const T* const f = gates + index(Gate::forget) * H_;
  const T* const g = gates + index(Gate::cell) * H_;
  T* const c = updated_c_ + row * H_;
  for (Index k = 0; k < H_; ++k) c[k] = f[k] * previous_c[k] + g[k] * i[k];
  if (!layer_.spec.clips_cell()) return;
  const T limit = static_cast<T>(layer_.spec.cell_clip);
  for (Index k = 0; k < H_; ++k) c[k] = c[k] > limit ? limit : c[k] < -limit ? -limit : c[k];
}

template <class T>
void BackwardNoise<T>::after(const StepRanks& now) const noexcept {
  const Index first = now.first_rank, last = first + now.count;
  T* const dh = layer_.dstate_h;
  T* const dc = layer_.dstate_c;
  if (noise_.drops()) {
    for (Index k = first * P_; k < last * P_; ++k) dh[k] *= factors_[k];
  }
  if (noise_.zones()) {
    for (Index k = first * P_; k < last * P_; ++k) dh[k] += kept_dh_[k];
    for (Index k = first * H_; k < last * H_; ++k) dc[k] += kept_dc_[k];
  }
}

template class BackwardNoise<float>;
template class BackwardNoise<double>;

}  // namespace peephole
