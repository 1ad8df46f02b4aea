#pragma once

#include "kernels/host/forward.hpp"
#include "kernels/host/packed_backward.hpp"

/// The backward kernels over the rows of a batch.
///
/// A pass is cut into chunks of steps, in the order of computation. For each chunk, the recurrence
/// writes the gradients of the gates' sums to the workspace; then the products multiply them into
/// the gradients of x and of the weights. Chunks depend on the schedule and the layer alone, and
/// each value is summed in one order, so that it has the same bits on any number of threads, for
/// one instruction set. The caller's floating-point mode applies: gradients decay into denormals,
/// which should be flushed to zero.
namespace peephole::kernels {

/// Scratch memory of one task at a time, kept from call to call.
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

/// The number of rows from which a chunk is full.
template <class T>
Index chunk_rows(Index hidden_size) noexcept;

/// Prepares a task for at most `threads` threads. Allocates only if the workspace is too small. The
/// task is valid as long as all arguments are.
template <class T>
BackwardTask<T> prepare_backward(const LayerBackward<T>& layer, const PackedBackward<T>& packed,
                                 BackwardWorkspace<T>& workspace, int threads);

/// Computes the steps of a chunk for the sequences of these ranks; or, called once by each thread
/// of a team, the units of its part. Ranges that do not overlap may be computed at the same time.
/// The earlier chunks must be complete for these ranks.
template <class T>
void run_recurrence(const BackwardTask<T>& task, Isa isa, Index chunk, RankRange ranks,
                    const TeamPart& team = {}) noexcept;

/// The number of shares of a chunk's products.
template <class T>
Index product_shares(const BackwardTask<T>& task) noexcept {
  return task.input_shares + task.weight_shares;
}

/// Computes one share of the products of a chunk whose recurrence is complete for all ranks, in the
/// scratch memory of thread `thread` of the task. Shares may be computed in any order and at the
/// same time; the next chunk's recurrence must wait for all of them.
template <class T>
void run_products(const BackwardTask<T>& task, Isa isa, Index chunk, Index share,
                  int thread) noexcept;

/// The whole gradient, on this thread.
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
