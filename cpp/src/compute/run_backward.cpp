#include <atomic>

#include "compute/plan.hpp"
#include "compute/run.hpp"
#include "peephole/runtime.hpp"
#include "runtime/flush_denormals.hpp"

namespace peephole {
namespace {

/// Backward multiplies by every weight twice: into the gradients of what it was applied to, and
/// into its own.
constexpr double kProductsPerWeight = 2;

/// What the parts of a direction take of their work in turn, and where they wait for each other.
struct Common {
  explicit Common(Index parts) : barrier(static_cast<int>(parts)) {}

  Barrier barrier;
  std::atomic<Index> taken{0};
};

/// One part's work for a direction. A chunk's products read what all of its recurrence wrote, and
/// the next chunk's recurrence overwrites that. Of the products each part takes shares until there
/// are none: cores are not all as fast, and some compute something else as well.
template <class T>
void compute(const kernels::BackwardTask<T>& task, Isa isa, const Plan& plan,
             const Schedule& schedule, Index part, Common& common) noexcept {
  const kernels::RankRange ranks = ranks_of(plan, schedule, part);
  const kernels::TeamPart team = share_of(plan, part, common.barrier);
  const Index shares = kernels::product_shares(task);
  for (Index chunk = 0; chunk < task.chunk_count; ++chunk) {
    kernels::run_recurrence(task, isa, chunk, ranks, team);
    common.barrier.wait();
    // In each chunk before, every part took one more than there were.
    const Index first = chunk * (shares + plan.parts);
    const auto take = [&] { return common.taken.fetch_add(1, std::memory_order_relaxed) - first; };
    for (Index share = take(); share < shares; share = take()) {
      kernels::run_products(task, isa, chunk, share, static_cast<int>(part));
    }
    common.barrier.wait();
  }
}

}  // namespace

template <class T>
void run(const std::vector<BackwardDirection<T>>& directions, BackwardScratch<T>& scratch) {
  const FlushDenormals flush;
  if (directions.front().backend.is_reference()) {
    for (const BackwardDirection<T>& direction : directions) {
      reference::backward(direction.layer, direction.noise, scratch.reference);
    }
    return;
  }
  const auto D = static_cast<Index>(directions.size());
  const LayerBackward<T>& layer = directions.front().layer;
  const double operations = kProductsPerWeight * operations_per_row(layer.spec);
  Team team(
      static_cast<int>(useful_members(layer.spec, layer.schedule, D, operations, num_threads())));
  const Plan plan = plan_for(layer.schedule, D, team.size());

  const Index parts = plan.parts;
  kernels::BackwardTask<T> tasks[2] = {};
  for (Index d = 0; d < D; ++d) {
    const BackwardDirection<T>& direction = directions[static_cast<std::size_t>(d)];
    tasks[d] = kernels::prepare_backward(direction.layer, *direction.packed, scratch.directions[d],
                                         static_cast<int>(parts));
  }

  const Isa isa = directions.front().backend.isa;
  Common common[2] = {Common(parts), Common(parts)};
  team.run([&](int member) noexcept {
    const FlushDenormals flush_member;
    const Index first = plan.together() ? member / parts : 0;
    const Index last = plan.together() ? first + 1 : D;
    for (Index d = first; d < last && d < D; ++d) {
      compute(tasks[d], isa, plan, layer.schedule, member % parts, common[d]);
    }
  });
}

template void run(const std::vector<BackwardDirection<float>>&, BackwardScratch<float>&);
template void run(const std::vector<BackwardDirection<double>>&, BackwardScratch<double>&);

}  // namespace peephole
