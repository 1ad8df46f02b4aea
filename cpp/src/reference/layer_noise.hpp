#pragma once

#include "layer/noise.hpp"
#include "reference/eigen.hpp"
#include "reference/layer.hpp"

namespace peephole::reference {

/// A layer's noise in one direction, step by step.
template <class T>
class NoiseDraws {
 public:
  NoiseDraws(const LayerNoise& noise, const Schedule& schedule, Direction direction,
             const LayerSpec& spec, Scratch<T>& scratch)
      : noise_(noise),
        schedule_(schedule),
        direction_(direction),
        H_(spec.hidden_size),
        P_(spec.recurrent_size()) {
    const Index B = schedule.batch();
    if (drops()) {
      recurrent_ = scratch.recurrent.reserve(B * P_);
      const Choice dropped = noise.choice(Noise::recurrent_dropout, direction);
      for (Index rank = 0; rank < B; ++rank) {
        dropped.draw(schedule.sequence(rank), 0, T{0}, kept_factor<T>(noise.recurrent_dropout),
                     recurrent_ + rank * P_, P_);
      }
    }
    if (zones()) {
      zoned_h_ = scratch.zoned_h.reserve(B * P_);
      zoned_c_ = scratch.zoned_c.reserve(B * H_);
    }
  }

  bool drops() const noexcept { return noise_.drops(); }
  bool zones() const noexcept { return noise_.zones(); }

  /// Makes zoned_h and zoned_c those of step t.
  void draw_zoneout(Index t) noexcept {
    const Choice of_h = noise_.choice(Noise::zoneout_h, direction_);
    const Choice of_c = noise_.choice(Noise::zoneout_c, direction_);
    for (Index rank = 0; rank < schedule_.rows(t); ++rank) {
      of_h.draw(schedule_.sequence(rank), schedule_.begin() + t, T{1}, T{0}, zoned_h_ + rank * P_,
                P_);
      of_c.draw(schedule_.sequence(rank), schedule_.begin() + t, T{1}, T{0}, zoned_c_ + rank * H_,
                H_);
    }
  }

  /// (n, P) and (n, H) arrays of the first n ranks.
  auto recurrent(Index n) const { return of(recurrent_, n, P_); }
  auto zoned_h(Index n) const { return of(zoned_h_, n, P_); }
  auto zoned_c(Index n) const { return of(zoned_c_, n, H_); }

 private:
  auto of(T* values, Index n, Index columns) const {
    return Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(
        values, n, columns);
  }

  const LayerNoise& noise_;
  const Schedule& schedule_;
  Direction direction_;
  Index H_, P_;
  T* recurrent_ = nullptr;
  T* zoned_h_ = nullptr;
  T* zoned_c_ = nullptr;
};

}  // namespace peephole::reference
