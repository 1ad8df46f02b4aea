#include "compute/plan.hpp"

#include <algorithm>

#include "runtime/phases.hpp"
#include "runtime/split_limit.hpp"

namespace peephole {
namespace {

/// Floating-point operations that are worth waking a thread for: some 20 µs of work.
constexpr double kOperationsPerMember = 2e6;
/// Rows that a part of a batch should have, at least: the kernels' tiles are up to six rows high.
constexpr Index kRowsPerPart = 6;
/// Units from which threads that share one row gain more than their barriers cost: at 128 units a
/// step of one row takes some 2 µs, a barrier 0.2.
constexpr Index kUnitsWorthSharing = 128;

double number(Index n) noexcept { return static_cast<double>(n); }

Plan::Split split_of(const Schedule& schedule, Index parts) noexcept {
  return schedule.batch() >= parts * kRowsPerPart ? Plan::Split::ranks : Plan::Split::units;
}

/// The members that may split units at present.
Index limited(Index members, Index directions) noexcept {
  const Index parts = members / directions;
  if (parts <= 1) return members;
  return std::min(members, directions * split_limit(static_cast<int>(parts)));
}

/// Appends the ends of `count` shares that have equally many of the packed rows of the ranks from
/// the last bound to `end`: sequences are sorted by length, so equal counts of ranks would not be
/// equal work.
void append_shares(const Schedule& schedule, Index end, Index count, std::vector<Index>& bounds) {
  Index rank = bounds.back();
  double left = 0;
  for (Index r = rank; r < end; ++r) left += number(schedule.length(r));
  for (Index share = 0; share < count - 1; ++share) {
    const double enough = left / number(count - share);
    double rows = 0;
    while (rank < end && rows < enough) rows += number(schedule.length(rank++));
    left -= rows;
    bounds.push_back(rank);
  }
  bounds.push_back(end);
}

}  // namespace

double operations_per_row(const LayerSpec& spec) noexcept {
  const Index H = spec.hidden_size;
  const Index P = spec.recurrent_size();
  const Index K = spec.input_size + P + (spec.peephole == Peephole::dense ? H : 0);
  const double projection = spec.projection_size ? 2 * number(H) * number(P) : 0;
  return 2 * kGates * number(H) * number(K) + projection;
}

Index useful_members(double operations, Index threads) noexcept {
  return static_cast<Index>(std::clamp(operations / kOperationsPerMember, 1.0, number(threads)));
}

Index members_for_ranks(const Schedule& schedule, Index directions, Index members) noexcept {
  return std::min(members, directions * std::max<Index>(1, schedule.batch() / kRowsPerPart));
}

Index useful_members(const LayerSpec& spec, const Schedule& schedule, Index directions,
                     double operations_per_row, Index threads) noexcept {
  const double operations =
      number(directions) * number(schedule.packed_rows()) * operations_per_row;
  const Index members = useful_members(operations, threads);
  const Index parts = std::max<Index>(1, members / directions);
  if (split_of(schedule, parts) == Plan::Split::ranks) return members;
  const Index in_ranks = members_for_ranks(schedule, directions, members);
  const Index in_units =
      spec.hidden_size >= kUnitsWorthSharing ? limited(members, directions) : Index{1};
  return std::max(in_units, in_ranks);
}

Plan plan_for(const Schedule& schedule, Index directions, Index members) noexcept {
  const Index parts = std::max<Index>(1, members / directions);
  return {members, parts, split_of(schedule, parts)};
}

void equal_shares(const Schedule& schedule, Index count, std::vector<Index>& bounds) {
  bounds.assign(1, 0);
  append_shares(schedule, schedule.batch(), count, bounds);
}

void share_ranks(const Schedule& schedule, double operations_per_row, Index parts,
                 std::vector<Index>& bounds) {
  // Weights that do not stay in the cache are read again for each share of a step.
  constexpr double kCachedBytes = 1 << 20;
  const double bytes = operations_per_row / 2 * sizeof(float);
  const Index efficient = bytes > kCachedBytes ? 4 * kRowsPerPart : kRowsPerPart;
  const Index B = schedule.batch();
  const double steps = number(schedule.packed_rows()) / number(std::max<Index>(1, B));
  const double worth = 1 + kOperationsPerMember / std::max(1.0, steps * operations_per_row);
  const Index smallest = std::max(efficient, static_cast<Index>(std::min(worth, number(B))));

  bounds.assign(1, 0);
  if (parts == 1) {
    bounds.push_back(B);
    return;
  }
  Index left = B;
  while (left >= 4 * parts * smallest && static_cast<Index>(bounds.size()) < 8 * parts) {
    append_shares(schedule, bounds.back() + left / 2, parts, bounds);
    left = B - bounds.back();
  }
  const Index rest = std::clamp<Index>(left / (parts * smallest), 1, 4) * parts;
  append_shares(schedule, B, rest, bounds);
}

}  // namespace peephole
