#pragma once

#include <vector>

#include "kernels/host/forward.hpp"
#include "layer/layer.hpp"

namespace peephole {

/// How threads share the directions of a layer. It only decides who computes what: results have the
/// same bits for every plan.
struct Plan {
  /// What the members at one direction share: the sequences, or every sequence's units.
  enum class Split { ranks, units };

  Index members;  // of the team
  Index parts;    // members at one direction, at most
  Split split;
};

/// The members that are worth having for so many floating-point operations a packed row, at most
/// `threads`.
Index useful_members(const LayerSpec& spec, const Schedule& schedule, Index directions,
                     double operations_per_row, Index threads) noexcept;

/// Of `members`, so many that plan_for() does not split units between them.
Index members_for_ranks(const Schedule& schedule, Index directions, Index members) noexcept;

/// The same as useful_members() for so many operations, which any number of threads can share.
Index useful_members(double operations, Index threads) noexcept;

/// For a team of so many members. With fewer members than directions, each direction has one part.
Plan plan_for(const Schedule& schedule, Index directions, Index members) noexcept;

/// Cuts the ranks into shares that `parts` threads take one after the other, so that a thread whose
/// core has other work as well takes fewer of them. The first shares are large, as kernels are
/// faster with many rows, and the last ones small; threads that are equally fast get equal parts.
/// `bounds`: the first rank of each share, and the end of the last one.
void share_ranks(const Schedule& schedule, double operations_per_row, Index parts,
                 std::vector<Index>& bounds);

/// Cuts the ranks into `count` shares of equal work.
void equal_shares(const Schedule& schedule, Index count, std::vector<Index>& bounds);

/// 2 · 4H · K + 2 · H · P: what the sums of the gates, and a projection, take for one row.
double operations_per_row(const LayerSpec& spec) noexcept;

}  // namespace peephole
