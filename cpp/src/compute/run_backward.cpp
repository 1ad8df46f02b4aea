#include <optional>

#include "compute/directions.hpp"
#include "compute/plan.hpp"
#include "compute/run.hpp"
#include "compute/step_split.hpp"
#include "peephole/runtime.hpp"
#include "runtime/interruption.hpp"

namespace peephole {
namespace {

/// Backward multiplies by every weight twice: into the gradients of what it was applied to, and
/// into its own.
constexpr double kProductsPerWeight = 2;

/// The recurrence of a chunk for some ranks, with noise if the layer has any.
template <class T>
void run_recurrence(const kernels::BackwardTask<T>& task, Isa isa,
                    const std::optional<BackwardNoise<T>>& noise, Index chunk,
                    kernels::RankRange ranks) noexcept {
  if (noise) {
    noise->run_recurrence(task, isa, chunk, ranks);
  } else {
    kernels::run_recurrence(task, isa, chunk, ranks);
  }
}

/// One direction's pass, as the work that members of a team share (see Phases). Of each chunk,
/// first the recurrence: shares of ranks, or pieces whose units are split. Then the products, which
/// read what all of the recurrence wrote and which the next chunk's recurrence overwrites.
template <class T>
class BackwardWork {
 public:
  BackwardWork(const kernels::BackwardTask<T>& task, const BackwardDirection<T>& direction,
               const Plan& plan, Span<const Index> bounds,
               const std::optional<BackwardNoise<T>>& noise, Interruption& interruption)
      : phases_(static_cast<int>(plan.parts)),
        task_(task),
        isa_(direction.backend.isa),
        bounds_(bounds),
        noise_(noise),
        batch_(direction.layer.schedule.batch()),
        interruption_(interruption),
        split_units_(plan.split == Plan::Split::units && plan.parts > 1),
        pieces_(phases_, plan.parts, operations_per_step(direction.layer)) {}

  Phases& phases() noexcept { return phases_; }

  int open(int, int present) noexcept {
    if (interruption_.stopped()) return 0;
    if (of_products_) {
      if (++chunk_ == task_.chunk_count) return 0;
      of_products_ = false;
      if (!split_units_) return static_cast<int>(bounds_.size) - 1;
      pieces_.begin(chunk().last - chunk().first);
    }
    if (split_units_ && !pieces_.ended()) return pieces_.next(present);
    of_products_ = true;
    return static_cast<int>(kernels::product_shares(task_));
  }

  void compute(int share, int slot) noexcept {
    const bool stop = interruption_.poll();
    if (of_products_) {
      if (!stop) kernels::run_products(task_, isa_, chunk_, share, slot);
    } else if (!split_units_) {
      if (!stop) run_recurrence(task_, isa_, noise_, chunk_, {bounds_[share], bounds_[share + 1]});
    } else {
      // Even if the call is to stop: the members of a piece wait for each other.
      kernels::BackwardChunk steps = chunk();
      steps.last = steps.first + pieces_.last();
      steps.first += pieces_.first();
      kernels::BackwardTask<T> piece = task_;
      piece.chunks = &steps;
      kernels::run_recurrence(piece, isa_, 0, {0, batch_}, pieces_.part(share));
    }
  }

  /// Another member may compute all that is left, and only the calling thread can ask whether to
  /// stop.
  void wait() noexcept { interruption_.poll(); }

 private:
  static double operations_per_step(const LayerBackward<T>& layer) noexcept {
    return operations_per_row(layer.spec) * static_cast<double>(layer.schedule.batch());
  }
  const kernels::BackwardChunk& chunk() const noexcept { return task_.chunks[chunk_]; }

  Phases phases_;
  const kernels::BackwardTask<T>& task_;
  const Isa isa_;
  const Span<const Index> bounds_;
  const std::optional<BackwardNoise<T>>& noise_;
  const Index batch_;
  Interruption& interruption_;
  const bool split_units_;
  StepSplit pieces_;
  Index chunk_ = -1;
  bool of_products_ = true;  // as if after those of chunk -1
};

/// On one thread.
template <class T>
void run_alone(const kernels::BackwardTask<T>& task, Isa isa,
               const std::optional<BackwardNoise<T>>& noise, Index batch,
               Interruption& interruption) noexcept {
  for (Index chunk = 0; chunk < task.chunk_count && !interruption.poll(); ++chunk) {
    run_recurrence(task, isa, noise, chunk, {0, batch});
    for (Index share = 0; share < kernels::product_shares(task); ++share) {
      if (interruption.poll()) return;
      kernels::run_products(task, isa, chunk, share, 0);
    }
  }
}

}  // namespace

template <class T>
void run(const std::vector<BackwardDirection<T>>& directions, BackwardScratch<T>& scratch) {
  const FlushDenormals flush;
  Interruption interruption;
  interruption.check();
  if (directions.front().backend.is_reference()) {
    for (const BackwardDirection<T>& direction : directions) {
      reference::backward(direction.layer, direction.noise, scratch.reference);
    }
    return interruption.check();
  }
  const auto D = static_cast<Index>(directions.size());
  const LayerBackward<T>& layer = directions.front().layer;
  const double operations = kProductsPerWeight * operations_per_row(layer.spec);
  const bool noisy = directions.front().noise.any();
  Index members = useful_members(layer.spec, layer.schedule, D, operations, num_threads());
  if (noisy || layer.spec.layer_norm) members = members_for_ranks(layer.schedule, D, members);
  Team team(static_cast<int>(members));
  const Plan plan = plan_for(layer.schedule, D, team.size());

  kernels::BackwardTask<T> tasks[2] = {};
  std::optional<BackwardNoise<T>> noises[2];
  for (Index d = 0; d < D; ++d) {
    const BackwardDirection<T>& direction = directions[static_cast<std::size_t>(d)];
    tasks[d] = kernels::prepare_backward(direction.layer, *direction.packed, scratch.directions[d],
                                         static_cast<int>(plan.parts));
    if (noisy) noises[d].emplace(direction.layer, direction.noise, scratch.noise[d], tasks[d]);
  }
  const Isa isa = directions.front().backend.isa;
  if (team.size() == 1) {
    for (Index d = 0; d < D; ++d) {
      run_alone(tasks[d], isa, noises[d], layer.schedule.batch(), interruption);
    }
    return interruption.check();
  }
  equal_shares(layer.schedule, plan.parts, scratch.bounds);
  const Span<const Index> bounds = {scratch.bounds.data(),
                                    static_cast<Index>(scratch.bounds.size())};
  BackwardWork<T> works[2] = {
      {tasks[0], directions.front(), plan, bounds, noises[0], interruption},
      {tasks[D - 1], directions.back(), plan, bounds, noises[D - 1], interruption}};
  compute_directions(team, works, static_cast<int>(D));
  interruption.check();
}

template void run(const std::vector<BackwardDirection<float>>&, BackwardScratch<float>&);
template void run(const std::vector<BackwardDirection<double>>&, BackwardScratch<double>&);

}  // namespace peephole
