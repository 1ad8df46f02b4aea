#include <algorithm>
#include <optional>

#include "compute/directions.hpp"
#include "compute/plan.hpp"
#include "compute/run.hpp"
#include "compute/step_split.hpp"
#include "peephole/runtime.hpp"
#include "runtime/flush_denormals.hpp"
#include "runtime/interruption.hpp"

namespace peephole {
namespace {

/// Operations between two looks at whether the call is to stop: some milliseconds.
constexpr double kOperationsPerPiece = 2e8;

/// The task of some ranks, of `operations` a step, on this thread.
template <class T>
void run_alone(const kernels::ForwardTask<T>& task, Isa isa,
               const std::optional<ForwardNoise<T>>& noise, kernels::RankRange ranks,
               double operations, Interruption& interruption) noexcept {
  if (noise) return noise->run(task, isa, ranks, interruption);
  if (!interruption.possible()) return kernels::run_forward(task, isa);
  const auto steps = static_cast<Index>(std::max(1.0, kOperationsPerPiece / operations));
  kernels::ForwardTask<T> piece = task;
  for (Index step = 0; step < task.step_count && !interruption.poll(); step += steps) {
    piece.steps = task.steps + step;
    piece.step_count = std::min(steps, task.step_count - step);
    kernels::run_forward(piece, isa);
  }
}

/// One direction's pass, as the work that members of a team share (see Phases): one phase of shares
/// of ranks, or the pieces of a pass whose units are split.
template <class T>
class ForwardWork {
 public:
  /// tasks: of each share of ranks, between two of `bounds`; or of the whole batch.
  ForwardWork(const ForwardDirection<T>& direction, const Plan& plan,
              Span<const kernels::ForwardTask<T>> tasks, const Index* bounds,
              const std::optional<ForwardNoise<T>>& noise, Interruption& interruption)
      : phases_(static_cast<int>(plan.parts)),
        tasks_(tasks),
        bounds_(bounds),
        noise_(noise),
        isa_(direction.backend.isa),
        operations_per_step_(operations_per_step(direction.layer)),
        interruption_(interruption),
        split_units_(plan.split == Plan::Split::units && plan.parts > 1),
        pieces_(phases_, plan.parts, operations_per_step_) {
    if (split_units_) pieces_.begin(tasks_[0].step_count);
  }

  Phases& phases() noexcept { return phases_; }

  int open(int phase, int present) noexcept {
    if (interruption_.stopped()) return 0;
    if (split_units_) return pieces_.ended() ? 0 : pieces_.next(present);
    return phase == 0 ? static_cast<int>(tasks_.size) : 0;
  }

  void compute(int share, int) noexcept {
    const bool stop = interruption_.poll();
    if (!split_units_) {
      if (stop) return;
      run_alone(tasks_[share], isa_, noise_, {bounds_[share], bounds_[share + 1]},
                operations_per_step_, interruption_);
      return;
    }
    // Even if the call is to stop: the members of a piece wait for each other.
    kernels::ForwardTask<T> piece = tasks_[0];
    piece.steps += pieces_.first();
    piece.step_count = pieces_.last() - pieces_.first();
    kernels::run_forward(piece, isa_, pieces_.part(share));
  }

  /// Another member may compute all that is left, and only the calling thread can ask whether to
  /// stop.
  void wait() noexcept { interruption_.poll(); }

 private:
  static double operations_per_step(const LayerForward<T>& layer) noexcept {
    return operations_per_row(layer.spec) * static_cast<double>(layer.schedule.batch());
  }

  Phases phases_;
  const Span<const kernels::ForwardTask<T>> tasks_;
  const Index* const bounds_;
  const std::optional<ForwardNoise<T>>& noise_;
  const Isa isa_;
  const double operations_per_step_;  // of the whole batch
  Interruption& interruption_;
  const bool split_units_;
  StepSplit pieces_;
};

}  // namespace

template <class T>
void run(const std::vector<ForwardDirection<T>>& directions, ForwardScratch<T>& scratch) {
  const FlushDenormals flush;
  Interruption interruption;
  interruption.check();
  if (directions.front().backend.is_reference()) {
    for (const ForwardDirection<T>& direction : directions) {
      reference::forward(direction.layer, direction.noise, scratch.reference);
    }
    return interruption.check();
  }
  const auto D = static_cast<Index>(directions.size());
  const LayerForward<T>& layer = directions.front().layer;
  const double operations = operations_per_row(layer.spec);
  const bool noisy = directions.front().noise.any();
  Index members = useful_members(layer.spec, layer.schedule, D, operations, num_threads());
  if (noisy || layer.spec.layer_norm) members = members_for_ranks(layer.schedule, D, members);
  Team team(static_cast<int>(members));
  const Plan plan = plan_for(layer.schedule, D, team.size());

  // Directions have the same schedule, and so the same shares.
  const Index parts = plan.split == Plan::Split::ranks ? plan.parts : 1;
  share_ranks(layer.schedule, operations, parts, scratch.bounds);
  const Index shares = static_cast<Index>(scratch.bounds.size()) - 1;
  const auto count = static_cast<std::size_t>(D * shares);
  scratch.parts.resize(std::max(scratch.parts.size(), count));
  scratch.tasks.resize(std::max(scratch.tasks.size(), count));
  for (std::size_t task = 0; task < count; ++task) {
    const ForwardDirection<T>& direction = directions[task / static_cast<std::size_t>(shares)];
    const Index* const bound = &scratch.bounds[task % static_cast<std::size_t>(shares)];
    scratch.tasks[task] = kernels::prepare_forward(
        direction.layer, *direction.packed, scratch.parts[task], {bound[0], bound[1]},
        plan.split == Plan::Split::units ? plan.parts : 1);
  }
  std::optional<ForwardNoise<T>> noises[2];
  for (std::size_t d = 0; noisy && d < directions.size(); ++d) {
    noises[d].emplace(directions[d].layer, directions[d].noise, scratch.noise[d]);
  }
  if (team.size() == 1) {
    for (std::size_t d = 0; d < directions.size(); ++d) {
      run_alone(scratch.tasks[d], directions[d].backend.isa, noises[d], {0, layer.schedule.batch()},
                operations * static_cast<double>(layer.schedule.batch()), interruption);
    }
    return interruption.check();
  }
  const auto work = [&](Index d) {
    return ForwardWork<T>(directions[static_cast<std::size_t>(d)], plan,
                          {scratch.tasks.data() + d * shares, shares}, scratch.bounds.data(),
                          noises[d], interruption);
  };
  ForwardWork<T> works[2] = {work(0), work(D - 1)};
  compute_directions(team, works, static_cast<int>(D));
  interruption.check();
}

template void run(const std::vector<ForwardDirection<float>>&, ForwardScratch<float>&);
template void run(const std::vector<ForwardDirection<double>>&, ForwardScratch<double>&);

}  // namespace peephole
