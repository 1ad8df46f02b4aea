#pragma once

#include "kernels/host/forward.hpp"
#include "layer/layer.hpp"
#include "runtime/threads.hpp"

namespace peephole {

/// How threads share the directions of a layer. It only decides who computes what: results have the
/// same bits for every plan.
struct Plan {
  /// What the members of one direction share: the sequences, or every sequence's units.
  enum class Split { ranks, units };

  Index directions;
  Index members;  // of the team
  Index parts;    // members for one direction; with fewer members than directions 1, which has all
  Split split;

  /// Whether directions are computed at the same time.
  bool together() const noexcept { return members >= directions; }
  bool share_units() const noexcept { return parts > 1 && split == Split::units; }
};

/// The members that are worth having for so many floating-point operations a packed row, at most
/// `threads`.
Index useful_members(const LayerSpec& spec, const Schedule& schedule, Index directions,
                     double operations_per_row, Index threads) noexcept;

/// For a team of so many members.
Plan plan_for(const Schedule& schedule, Index directions, Index members) noexcept;

/// What the kernels are told of a part that shares units with the others, who meet at `barrier`.
kernels::TeamPart share_of(const Plan& plan, Index part, Barrier& barrier) noexcept;

/// The sequences of one part.
kernels::RankRange ranks_of(const Plan& plan, const Schedule& schedule, Index part) noexcept;

/// 2 · 4H · K: what the sums of the gates take for one row.
double operations_per_row(const LayerSpec& spec) noexcept;

}  // namespace peephole
