#include "execution.hpp"
#include "execution_plan.hpp"
#include "kernels/flush_denormals.hpp"
#include "peephole/runtime.hpp"

namespace peephole {
namespace {

/// Backward multiplies by every weight twice: into the gradients of what it was applied to, and
/// into its own.
constexpr double kProductsPerWeight = 2;

/// One part's share of a direction. The parts of a chunk's products read what all of its recurrence
/// wrote, and the next chunk's recurrence overwrites that.
template <class T>
void compute(const kernels::BackwardPass<T>& pass, Isa isa, const Plan& plan,
             const Schedule& schedule, Index part, Barrier& barrier) noexcept {
  const kernels::RankRange ranks = ranks_of(plan, schedule, part);
  const kernels::TeamPart share = share_of(plan, part, barrier);
  for (Index chunk = 0; chunk < pass.chunk_count; ++chunk) {
    kernels::run_recurrence(pass, isa, chunk, ranks, share);
    barrier.wait();
    kernels::run_products(pass, isa, chunk, static_cast<int>(part), static_cast<int>(plan.parts));
    barrier.wait();
  }
}

}  // namespace

template <class T>
void run(const std::vector<BackwardTask<T>>& directions, BackwardScratch<T>& scratch) {
  const FlushDenormals flush;
  if (!directions.front().packed) {
    for (const BackwardTask<T>& task : directions) {
      reference::backward(task.layer, task.noise, scratch.reference);
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
  kernels::BackwardPass<T> passes[2] = {};
  for (Index d = 0; d < D; ++d) {
    const BackwardTask<T>& task = directions[static_cast<std::size_t>(d)];
    passes[d] = kernels::prepare_backward(task.layer, *task.packed, scratch.directions[d],
                                          static_cast<int>(parts));
  }

  const Isa isa = directions.front().packed->isa();
  Barrier barriers[2] = {Barrier(static_cast<int>(parts)), Barrier(static_cast<int>(parts))};
  team.run([&](int member) noexcept {
    const FlushDenormals flush_member;
    const Index first = plan.together() ? member / parts : 0;
    const Index last = plan.together() ? first + 1 : D;
    for (Index d = first; d < last && d < D; ++d) {
      compute(passes[d], isa, plan, layer.schedule, member % parts, barriers[d]);
    }
  });
}

template void run(const std::vector<BackwardTask<float>>&, BackwardScratch<float>&);
template void run(const std::vector<BackwardTask<double>>&, BackwardScratch<double>&);

}  // namespace peephole
