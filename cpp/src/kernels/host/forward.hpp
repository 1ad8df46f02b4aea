#pragma once

#include "kernels/host/packed_forward.hpp"

/// The forward kernels over the packed rows of a batch.
///
/// Every sum is formed in one order, that of the terms x, h, c, whatever the path: a sequence has
/// the same bits alone and in any batch, whole and in chunks, in any range of ranks and on any
/// number of threads, for one instruction set. They are computed in the caller's floating-point
/// mode.
namespace peephole::kernels {

/// Ranks begin <= r < end of a Schedule.
struct RankRange {
  Index begin, end;
};

/// Scratch of one task at a time; it keeps its memory from call to call.
template <class T>
class ForwardWorkspace {
 public:
  ForwardStep* steps(Index count) { return steps_.reserve(count); }
  T* values(Index count) { return values_.reserve(count); }

 private:
  Buffer<ForwardStep> steps_;
  Buffer<T> values_;
};

/// Readies a task over a range of ranks. Allocates only where the workspace is too small; the task
/// is valid while all of the arguments are.
template <class T>
ForwardTask<T> prepare_forward(const LayerForward<T>& layer, const PackedForward<T>& packed,
                               ForwardWorkspace<T>& workspace, RankRange ranks);

/// Computes a task; or, called once by each thread of a team, the units of its part.
template <class T>
void run_forward(const ForwardTask<T>& task, Isa isa, const TeamPart& team = {}) noexcept;

/// Computes all steps of the sequences of these ranks. Ranges that do not overlap may be computed
/// at the same time, each with a workspace of its own.
template <class T>
void forward(const LayerForward<T>& layer, const PackedForward<T>& packed,
             ForwardWorkspace<T>& workspace, RankRange ranks) {
  run_forward(prepare_forward(layer, packed, workspace, ranks), packed.isa());
}

}  // namespace peephole::kernels
