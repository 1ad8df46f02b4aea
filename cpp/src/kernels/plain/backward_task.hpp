#pragma once

#include "kernels/plain/forward_task.hpp"

/// The arguments of the backward kernels; see forward_task.hpp.
namespace peephole::kernels {

/// A matrix of weights, (4H, columns) or of a projection (P, columns), read in groups of kGates
/// vectors of columns: row m of group g begins at data + g * group_stride + m * row_stride.
template <class T>
struct ColumnGroups {
  const T* data;
  Index group_stride;
  Index row_stride;
  bool padded;  // with zeros to whole vectors
  Index columns;
};

/// Weights as the kernels read them. If they are packed, a group is one run of memory. For a few
/// rows packing does not pay, and they are read from the caller's memory.
template <class T>
struct BackwardWeights {
  ColumnGroups<T> weight_ih;
  ColumnGroups<T> weight_hh;
  ColumnGroups<T> weight_ch;   // dense
  ColumnGroups<T> weight_hr;   // W_hr; data is null without a projection
  const T* weight_ih_columns;  // (I, 4H rounded up to vectors), zeros beyond; or null
  const T* diagonal;           // (4, H), or null
};

/// The steps first <= s < last, in the order of computation, whose recurrence runs before their
/// products. They have `rows` rows, from `row` on.
struct BackwardChunk {
  Index first, last;
  Index row, rows;
};

/// The nth of `count` equal shares of a chunk's products, computed in the scratch of a thread.
struct ProductShare {
  Index nth, count;
  int thread;
};

/// Values per cache line.
template <class T>
inline constexpr Index kLineValues = 64 / Index{sizeof(T)};

/// A matrix whose rows are cut into cache lines. Either whole rows follow each other; or, in
/// panels, the first lines of all rows, then the second lines, and so on. In panels, all rows of a
/// few columns are one run of memory.
template <class T>
struct Lines {
  T* data;
  Index row_stride;
  Index line_stride;
  bool in_panels;
};

/// One layer in one direction over a batch: see LayerBackward. N and B are those of the batch.
template <class T>
struct BackwardTask {
  Index input_size;      // I
  Index hidden_size;     // H
  Index recurrent_size;  // P, the values of h: H without a projection
  Activations activations;
  bool standard;              // the default activations, f not coupled to i, nothing clipped
  bool coupled_input_forget;  // f = 1 - i
  bool output_reads_current;  // P_o reads c_t
  bool clips_cell;            // c_t is clipped to ±cell_clip
  T cell_clip;
  bool clips_projection;  // the projected h is clipped to ±projection_clip
  T projection_clip;
  unsigned diagonal_gates;  // 1 << gate: those with a diagonal peephole
  unsigned dense_gates;     // ... with a dense one
  BackwardWeights<T> weights;

  const Step* steps;  // in the order of computation: time reversed
  const BackwardChunk* chunks;
  Index chunk_count;
  // (N,): the row with the state before a row's step, or ~rank for the initial state.
  const Index* previous;

  const T* x;  // (N, I), read
  Index x_stride;
  const T* h;  // (N, P), read
  Index h_stride;
  const T* gates;      // (N, 4H), read
  const T* c;          // (N, H), read: f ⊙ c_{t-1} + g ⊙ i
  const T* state_c;    // (N, H), read: c as the next step reads it; with zoneout, other than c
  const T* clipped;    // (N, H), read: see ForwardTask; or null
  const T* unclipped;  // (N, P), read, if the projected h is clipped
  const T* initial_h;  // (B, P), read
  const T* initial_c;  // (B, H), read
  const T* dh;         // (N, P), read
  Index dh_stride;
  T* dx;  // (N, I), overwritten; or null
  Index dx_stride;
  T* dstate_h;      // (B, P), replaced; dh of the recurrence between chunks
  T* dstate_c;      // (B, H), replaced; dc throughout
  bool accumulate;  // add to the gradients of weights; otherwise overwrite them
  T* dweight_ih;    // (4H, I)
  T* dweight_hh;    // (4H, P)
  T* ddiagonal;     // (4, H), or null
  T* dweight_ch;    // (4H, H), or null
  T* dbias;         // (4H,), or null
  T* dweight_hr;    // (P, H), or null
  NormBackward<T> norm;

  // Scratch.
  Lines<T> da;            // (rows of a chunk, 4H)
  T* sums;                // (B or 3, kGates lanes) for each thread
  Index sums_size;        // of one thread
  T* inputs;              // (kProductRows, kGates lanes) for each thread
  Index inputs_size;      // of one thread
  T* panels;              // (block_columns, rows of a chunk) for each thread
  Index panels_size;      // of one thread; 0: da is not copied
  Index block_columns;    // columns of da that are multiplied at a time: whole lines
  T* dweight_ih_columns;  // (I, columns_stride), dW transposed while it is summed; or null
  T* dweight_hh_columns;  // (P, columns_stride), the same of dR; or null
  Index columns_stride;
  // With a projection:
  T* dh_rows;  // (rows of a chunk, dh_rows_stride): dh_t, 0 where h was clipped
  Index dh_rows_stride;
  T* m_rows;  // (rows of a chunk, m_rows_stride): m_t = h(c_t) ⊙ o; or null
  Index m_rows_stride;
  T* zeros;  // (H,)

  // Shares of a chunk's products: first of the gradient of x, then of those of the weights.
  Index input_shares, weight_shares;
};

/// Rows that are multiplied into weight gradients at a time: a group of inputs, 256 bytes a row,
/// then stays in L1 beside the rest.
inline constexpr Index kProductRows = 128;

/// The most columns of weight_ih for which dx is computed with vectors along the gates.
inline constexpr Index kNarrowInput = 8;

template <class T>
using RecurrenceKernel = void (*)(const BackwardTask<T>& task, const BackwardChunk& chunk,
                                  Index first_rank, Index last_rank, const TeamPart& team) noexcept;
/// Of a layer with layer normalisation.
template <class T>
using NormRecurrenceKernel = void (*)(const BackwardTask<T>& task, const BackwardChunk& chunk,
                                      Index first_rank, Index last_rank) noexcept;
template <class T>
using ProductsKernel = void (*)(const BackwardTask<T>& task, const BackwardChunk& chunk,
                                const ProductShare& share) noexcept;

/// The backward kernels of one instruction set for one type.
template <class T>
struct BackwardKernels {
  RecurrenceKernel<T> recurrence;
  NormRecurrenceKernel<T> norm_recurrence;  // null if !kHasNormKernels
  ProductsKernel<T> input_gradient;
  ProductsKernel<T> weight_gradients;
  // With layer normalisation: also of biases and peepholes; null if !kHasNormKernels.
  ProductsKernel<T> gain_gradients;
};

}  // namespace peephole::kernels
