#pragma once

#include "kernels/host/forward.hpp"
#include "kernels/host/packed_backward.hpp"

/// The backward kernels over the packed rows of a batch.
///
/// A task is cut into chunks of steps, in the order of computation. Of each chunk, the recurrence
/// writes the gradients of the gates' sums into the workspace; then the products multiply them into
/// the gradients of x and of the weights. Chunks depend on the schedule and the layer alone, and
/// each value is summed in one order: it has the same bits on any number of threads, for one
/// instruction set. They are computed in the caller's floating-point mode: gradients decay into
/// denormals, which are best flushed.
namespace peephole::kernels {

/// Scratch of one task at a time; it keeps its memory from call to call.
template <class T>
class BackwardWorkspace {
 public:
  Step* steps(Index count) { return steps_.reserve(count); }
  BackwardChunk* chunks(Index count) { return chunks_.reserve(count); }
  Index* previous(Index count) { return previous_.reserve(count); }
  T* values(Index count) { return values_.reserve(count); }

 private:
  Buffer<Step> steps_;
  Buffer<BackwardChunk> chunks_;
  Buffer<Index> previous_;
  Buffer<T> values_;
};

/// Rows from which on a chunk is full.
template <class T>
Index chunk_rows(Index hidden_size) noexcept;

/// Readies a task that at most `threads` compute. Allocates only where the workspace is too
/// small; the task is valid while all of the arguments are.
template <class T>
BackwardTask<T> prepare_backward(const LayerBackward<T>& layer, const PackedBackward<T>& packed,
                                 BackwardWorkspace<T>& workspace, int threads);

/// Computes the steps of a chunk for the sequences of these ranks; or, called once by each thread
/// of a team, the units of its part. Ranges that do not overlap may be computed at the same time.
/// The chunks before must have been computed for these ranks.
template <class T>
void run_recurrence(const BackwardTask<T>& task, Isa isa, Index chunk, RankRange ranks,
                    const TeamPart& team = {}) noexcept;

/// Shares of the products of a chunk.
template <class T>
Index product_shares(const BackwardTask<T>& task) noexcept {
  return task.input_shares + task.weight_shares;
}

/// Computes one share of the products of a chunk whose recurrence is complete for all ranks, in the
/// scratch of one of the task's threads. Shares may be computed in any order, and at the same time;
/// the next chunk's recurrence must wait for all of them.
template <class T>
void run_products(const BackwardTask<T>& task, Isa isa, Index chunk, Index share,
                  int thread) noexcept;

/// All of the gradient, on this thread.
template <class T>
void backward(const LayerBackward<T>& layer, const PackedBackward<T>& packed,
              BackwardWorkspace<T>& workspace) {
  const BackwardTask<T> task = prepare_backward(layer, packed, workspace, 1);
  for (Index chunk = 0; chunk < task.chunk_count; ++chunk) {
    run_recurrence(task, packed.isa(), chunk, {0, layer.schedule.batch()});
    for (Index share = 0; share < product_shares(task); ++share) {
      run_products(task, packed.isa(), chunk, share, 0);
    }
  }
}

}  // namespace peephole::kernels
