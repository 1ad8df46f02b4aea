#include <algorithm>

#include "compute/plan.hpp"
#include "compute/run.hpp"
#include "peephole/runtime.hpp"
#include "runtime/flush_denormals.hpp"

namespace peephole {
namespace {

/// Readies the tasks of one direction's parts; those that share units have the same one.
template <class T>
void prepare(const ForwardDirection<T>& direction, const Plan& plan,
             kernels::ForwardWorkspace<T>* workspaces, kernels::ForwardTask<T>* tasks) {
  for (Index part = 0; part < plan.parts; ++part) {
    const bool shared = part > 0 && plan.share_units();
    tasks[part] =
        shared ? tasks[0]
               : kernels::prepare_forward(direction.layer, *direction.packed, workspaces[part],
                                          ranks_of(plan, direction.layer.schedule, part));
  }
}

}  // namespace

template <class T>
void run(const std::vector<ForwardDirection<T>>& directions, ForwardScratch<T>& scratch) {
  const FlushDenormals flush;
  if (directions.front().backend.is_reference()) {
    for (const ForwardDirection<T>& direction : directions) {
      reference::forward(direction.layer, direction.noise, scratch.reference);
    }
    return;
  }
  const auto D = static_cast<Index>(directions.size());
  const LayerForward<T>& layer = directions.front().layer;
  Team team(static_cast<int>(useful_members(layer.spec, layer.schedule, D,
                                            operations_per_row(layer.spec), num_threads())));
  const Plan plan = plan_for(layer.schedule, D, team.size());

  const Index parts = plan.parts;
  const auto count = static_cast<std::size_t>(D * parts);
  scratch.parts.resize(std::max(scratch.parts.size(), count));
  scratch.tasks.resize(std::max(scratch.tasks.size(), count));
  for (Index d = 0; d < D; ++d) {
    prepare(directions[static_cast<std::size_t>(d)], plan, scratch.parts.data() + d * parts,
            scratch.tasks.data() + d * parts);
  }

  Barrier barriers[2] = {Barrier(static_cast<int>(parts)), Barrier(static_cast<int>(parts))};
  const auto compute = [&](Index task) noexcept {
    kernels::run_forward(scratch.tasks[static_cast<std::size_t>(task)],
                         directions.front().backend.isa,
                         share_of(plan, task % parts, barriers[task / parts]));
  };
  team.run([&](int member) noexcept {
    const FlushDenormals flush_member;
    if (!plan.together()) {
      for (Index d = 0; d < D; ++d) compute(d);
    } else if (member < D * parts) {
      compute(member);
    }
  });
}

template void run(const std::vector<ForwardDirection<float>>&, ForwardScratch<float>&);
template void run(const std::vector<ForwardDirection<double>>&, ForwardScratch<double>&);

}  // namespace peephole
