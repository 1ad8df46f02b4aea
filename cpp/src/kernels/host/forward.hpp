#pragma once

#include "kernels/host/packed_forward.hpp"

/// The forward kernels over the rows of a batch.
///
/// Every sum is formed in one order, that of the terms x, h, c, on every path. So for one
/// instruction set, a sequence has the same bits alone and in any batch, whole and in pieces, in
/// any range of ranks and on any number of threads. The caller's floating-point mode applies.
namespace peephole::kernels {

/// Ranks begin <= r < end of a Schedule.
struct RankRange {
  Index begin, end;
};

/// Scratch memory of one task at a time, kept from call to call.
template <class T>
class ForwardWorkspace {
 public:
  ForwardStep* steps(Index count) { return steps_.reserve(count); }
  T* values(Index count) { return values_.reserve(count); }
  std::int32_t* words(Index count) { return words_.reserve(count); }
  QuantizedRows* quantized(Index parts) { return quantized_.reserve(parts); }

 private:
  Buffer<ForwardStep> steps_;
  Buffer<T> values_;
  Buffer<std::int32_t> words_;
  Buffer<QuantizedRows> quantized_;
};

/// Prepares a task over a range of ranks. Allocates only if the workspace is too small. The task is
/// valid as long as all arguments are. parts: of the largest team that may run it.
template <class T>
ForwardTask<T> prepare_forward(const LayerForward<T>& layer, const PackedForward<T>& packed,
                               ForwardWorkspace<T>& workspace, RankRange ranks, Index parts = 1);

/// Runs a task; or, called once by each thread of a team, the units of its part, which there are
/// not with layer normalisation.
template <class T>
void run_forward(const ForwardTask<T>& task, Isa isa, const TeamPart& team = {}) noexcept;

/// Computes all steps of the sequences of these ranks. Ranges that do not overlap may be computed
/// at the same time, each with its own workspace.
template <class T>
void forward(const LayerForward<T>& layer, const PackedForward<T>& packed,
             ForwardWorkspace<T>& workspace, RankRange ranks) {
  run_forward(prepare_forward(layer, packed, workspace, ranks), packed.isa());
}

}  // namespace peephole::kernels
