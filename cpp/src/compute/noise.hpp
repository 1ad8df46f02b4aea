#pragma once

#include "base/buffer.hpp"
#include "kernels/host/backward.hpp"
#include "kernels/host/forward.hpp"
#include "layer/layer.hpp"
#include "layer/noise.hpp"
#include "runtime/interruption.hpp"

/// Recurrent dropout and zoneout with the kernels. The kernels themselves have no noise: they
/// compute one step at a time, and between steps the state is changed here, by the equations of
/// LayerNoise. No value depends on the other sequences, so the bits are the same alone and in any
/// batch, whole and in pieces, and on any number of threads.
namespace peephole {

/// Zoneout in inference: state = z previous + (1 - z) state, for `size` values.
template <class T>
void mix_zoneout(double zoneout, const T* previous, T* state, Index size) noexcept;

/// factors (B, P) of recurrent dropout: the rows of some ranks, overwritten.
template <class T>
void draw_factors(const Schedule& schedule, Direction direction, const LayerNoise& noise, Index P,
                  kernels::RankRange ranks, T* factors) noexcept;

/// Memory of ForwardNoise, kept from call to call.
template <class T>
struct ForwardNoiseScratch {
  Buffer<T> factors;                 // (B, P): of recurrent dropout
  Buffer<T> previous_h, previous_c;  // (B, P), (B, H): the state before the step
};

/// The forward pass of one direction of a layer with noise.
template <class T>
class ForwardNoise {
 public:
  /// The arguments must outlive it.
  ForwardNoise(const LayerForward<T>& layer, const LayerNoise& noise,
               ForwardNoiseScratch<T>& scratch);

  /// Runs a task over these ranks. Ranges that do not overlap may be computed at the same time.
  void run(const kernels::ForwardTask<T>& task, Isa isa, kernels::RankRange ranks,
           Interruption& interruption) const noexcept;

 private:
  /// Rows of some ranks of a step, from `first_rank` on.
  void zone(const kernels::ForwardTask<T>& task, const kernels::ForwardStep& now, Index t,
            Index first_rank) const noexcept;

  const LayerForward<T>& layer_;
  const LayerNoise& noise_;
  const Index H_, P_;
  T* factors_ = nullptr;
  T* previous_h_ = nullptr;
  T* previous_c_ = nullptr;
};

/// Memory of BackwardNoise, kept from call to call.
template <class T>
struct BackwardNoiseScratch {
  Buffer<T> factors;           // (B, P): of recurrent dropout
  Buffer<T> given_h;           // (N, P): h, times the factors
  Buffer<T> given_initial_h;   // (B, P): the same of the initial h
  Buffer<T> updated_c;         // (N, H): c before zoneout
  Buffer<T> kept_dh, kept_dc;  // (B, P), (B, H): z ⊙ dh_t, z ⊙ dc_t
  Buffer<T> zeros;             // (P,)

  std::size_t bytes() const noexcept {
    return factors.bytes() + given_h.bytes() + given_initial_h.bytes() + updated_c.bytes() +
           kept_dh.bytes() + kept_dc.bytes() + zeros.bytes();
  }
};

/// The backward pass of one direction of a layer with noise.
template <class T>
class BackwardNoise {
 public:
  /// Makes `task` read what noise has changed. The layer, the noise and the scratch must outlive
  /// both.
  BackwardNoise(const LayerBackward<T>& layer, const LayerNoise& noise,
                BackwardNoiseScratch<T>& scratch, kernels::BackwardTask<T>& task);

  /// What kernels::run_recurrence() does.
  void run_recurrence(const kernels::BackwardTask<T>& task, Isa isa, Index chunk,
                      kernels::RankRange ranks) const noexcept;

 private:
  /// Some rows of a step, from a packed row and a rank on.
  struct StepRanks {
    Index t, row, first_rank, count;
  };

  /// The factors, and the initial h times them.
  void drop_initial_h(kernels::RankRange ranks) const noexcept;
  /// What comes before the kernel's step, and what comes after it.
  void before(const kernels::BackwardTask<T>& task, const StepRanks& now) const noexcept;
  void after(const StepRanks& now) const noexcept;
  void drop_previous_h(const kernels::BackwardTask<T>& task, const StepRanks& now) const noexcept;
  void zone(const kernels::BackwardTask<T>& task, const StepRanks& now) const noexcept;
  void update_again(const kernels::BackwardTask<T>& task, Index row) const noexcept;

  const LayerBackward<T>& layer_;
  const LayerNoise& noise_;
  const Index H_, P_;
  T* factors_ = nullptr;
  T* given_h_ = nullptr;
  T* given_initial_h_ = nullptr;
  T* updated_c_ = nullptr;
  T* kept_dh_ = nullptr;
  T* kept_dc_ = nullptr;
};

#define PEEPHOLE_DECLARE(T)                                                               \
  extern template void mix_zoneout(double, const T*, T*, Index) noexcept;                 \
  extern template void draw_factors(const Schedule&, Direction, const LayerNoise&, Index, \
                                    kernels::RankRange, T*) noexcept;                     \
  extern template class ForwardNoise<T>;                                                  \
  extern template class BackwardNoise<T>;
PEEPHOLE_DECLARE(float)
PEEPHOLE_DECLARE(double)
#undef PEEPHOLE_DECLARE

}  // namespace peephole
