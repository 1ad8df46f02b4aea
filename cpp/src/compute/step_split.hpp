#pragma once

#include "kernels/host/forward.hpp"
#include "runtime/barrier.hpp"
#include "runtime/phases.hpp"

namespace peephole {

/// Cuts a run of steps into pieces in which the units of each step are split between the members
/// that are there: they wait for each other at every step. Between pieces members may come or, when
/// they have been late, go.
class StepSplit {
 public:
  /// operations: of one step, about. `phases` is what the pieces are phases of.
  StepSplit(Phases& phases, Index parts, double operations) noexcept;

  void begin(Index steps) noexcept;
  bool ended() const noexcept { return last_ == steps_; }

  /// Goes on to the next piece. Returns how many members compute it, each one part of the units; of
  /// `present` ones. Not while the piece before is being computed.
  int next(int present) noexcept;

  /// The steps of the piece.
  Index first() const noexcept { return first_; }
  Index last() const noexcept { return last_; }

  /// What the kernels are told of a part of the piece.
  kernels::TeamPart part(int nth) noexcept;

 private:
  Phases& phases_;
  const int most_parts_;
  const double operations_;
  Index steps_ = 0, first_ = 0, last_ = 0;
  double piece_operations_;
  int parts_ = 1;
  bool begun_ = false;
  std::chrono::steady_clock::time_point start_;  // of the piece
  Barrier barrier_;
};

}  // namespace peephole
