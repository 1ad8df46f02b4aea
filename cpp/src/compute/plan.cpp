#include "compute/plan.hpp"

#include <algorithm>

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

/// The first rank of a part: those before it have their share of all packed rows. Sequences are
/// sorted by length, so equal counts of ranks would not be equal work.
Index first_rank(const Schedule& schedule, Index part, Index parts) noexcept {
  const double wanted = number(schedule.packed_rows()) * number(part) / number(parts);
  double rows = 0;
  for (Index r = 0; r < schedule.batch(); ++r) {
    if (rows >= wanted) return r;
    rows += number(schedule.length(r));
  }
  return schedule.batch();
}

}  // namespace

double operations_per_row(const LayerSpec& spec) noexcept {
  const Index H = spec.hidden_size;
  const Index K = spec.input_size + H + (spec.peephole == Peephole::dense ? H : 0);
  return 2 * kGates * number(H) * number(K);
}

Index useful_members(const LayerSpec& spec, const Schedule& schedule, Index directions,
                     double operations_per_row, Index threads) noexcept {
  const double operations =
      number(directions) * number(schedule.packed_rows()) * operations_per_row;
  const double worth = std::clamp(operations / kOperationsPerMember, 1.0, number(threads));
  const auto members = static_cast<Index>(worth);
  const Index parts = std::max<Index>(1, members / directions);
  const bool shareable =
      split_of(schedule, parts) == Plan::Split::ranks || spec.hidden_size >= kUnitsWorthSharing;
  if (shareable) return members;
  return std::min(members, directions * std::max<Index>(1, schedule.batch() / kRowsPerPart));
}

Plan plan_for(const Schedule& schedule, Index directions, Index members) noexcept {
  const Index parts = std::max<Index>(1, members / directions);
  return {directions, members, parts, split_of(schedule, parts)};
}

kernels::TeamPart share_of(const Plan& plan, Index part, Barrier& barrier) noexcept {
  if (!plan.share_units()) return {};
  const auto wait = [](void* shared) { static_cast<Barrier*>(shared)->wait(); };
  return {static_cast<int>(part), static_cast<int>(plan.parts), wait, &barrier};
}

kernels::RankRange ranks_of(const Plan& plan, const Schedule& schedule, Index part) noexcept {
  if (plan.parts == 1 || plan.split == Plan::Split::units) return {0, schedule.batch()};
  return {first_rank(schedule, part, plan.parts), first_rank(schedule, part + 1, plan.parts)};
}

}  // namespace peephole
