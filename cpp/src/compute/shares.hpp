#pragma once

#include <algorithm>
#include <atomic>

#include "compute/plan.hpp"
#include "peephole/runtime.hpp"
#include "runtime/flush_denormals.hpp"
#include "runtime/interruption.hpp"
#include "runtime/threads.hpp"

/// Work that threads share where nothing has to wait for anything else.
namespace peephole {

/// Calls compute(share) for shares 0 .. count - 1, on the members of a team. Throws Interrupted.
template <class Compute>
void compute_shares(Team& team, Index count, const Compute& compute) {
  Interruption interruption;
  std::atomic<Index> next{0};
  team.run([&](int) noexcept {
    const FlushDenormals flush;
    for (Index share = next++; share < count && !interruption.poll(); share = next++) {
      compute(share);
    }
  });
  interruption.check();
}

/// Rows in shares of equal size.
struct RowShares {
  Index rows;   // all of them
  Index share;  // rows of a share

  /// At most `most` rows a share, and several shares for each of the members.
  RowShares(Index n, Index most, Index members) noexcept : rows(n), share(most) {
    // Multiples of the heights of tiles.
    constexpr Index kUnit = 12, kSharesPerMember = 4;
    if (members > 1) {
      const Index even = n / (members * kSharesPerMember) / kUnit * kUnit;
      share = std::max(kUnit, std::min(most, even));
    }
  }
  Index count() const noexcept { return (rows + share - 1) / share; }
  Index begin(Index nth) const noexcept { return nth * share; }
  Index end(Index nth) const noexcept { return std::min(rows, begin(nth) + share); }
};

/// Calls compute(begin, end) for shares of n rows, with threads. operations: of all of them.
template <class Compute>
void for_row_shares(double operations, Index n, const Compute& compute) {
  constexpr Index kMostRows = 96;
  const Index members = useful_members(operations, num_threads());
  const RowShares shares(n, kMostRows, members);
  Team team(static_cast<int>(members));
  compute_shares(team, shares.count(),
                 [&](Index nth) { compute(shares.begin(nth), shares.end(nth)); });
}

}  // namespace peephole
