#pragma once

#include "kernels/plain/forward_task.hpp"

/// The arguments of the kernels for single steps of one sequence. Their sums are formed in the
/// order of the forward kernels, so the bits are the same.
namespace peephole::kernels {

/// A layer and its state. h and c are in state_h and state_c of `layer`, which have room for whole
/// panels (panels * lanes). A dense P_o that reads c_t is not supported.
///
/// Weights are in the order in which they are read: in tiles of up to tile_panels panels, each (K,
/// vectors, lanes). A whole panel has a vector for each gate. In the last one, gates of
/// few units share vectors: two gates of up to half of the lanes, four of up to a quarter.
template <class T>
struct StepTask {
  ForwardTask<T> layer;
  const T* weights;
  Index tile_panels;
  Index whole_panels;
  int tail_vectors;  // of the last panel, if it is not among the whole ones: 1 or 2; or 0
  bool backwards;    // this step takes the last tile first, the next one does not
};

/// One step of a layer. x (I,), read.
template <class T>
using StepKernel = void (*)(StepTask<T>& task, const T* x) noexcept;

/// The step kernels of one instruction set for one type.
template <class T>
struct StepKernels {
  StepKernel<T> step;   // null if the forward kernels replace it
  Index max_panels;     // of a tile
  bool shared_vectors;  // gates of few units share vectors
};

}  // namespace peephole::kernels
