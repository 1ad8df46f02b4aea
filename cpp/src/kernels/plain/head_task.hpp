#pragma once

#include "peephole/activation.hpp"
#include "peephole/types.hpp"

/// The arguments of the kernels for the dense head, logits = V h + v, and its gradient; see
/// forward_task.hpp. F inputs, O outputs, n rows.
///
/// Packed matrices (terms, columns) are cut into groups of columns, each one run of memory:
/// (groups, terms, group_columns), with zeros beyond the last column.
namespace peephole::kernels {

/// A sum of few outputs is a dot product along F, whose partial sums are the lanes of vectors.
/// With more outputs the lanes are outputs, and each sum is one chain over F. Which of them it is
/// depends on O and the instruction set alone, so a row has the same bits in any batch.
template <class T>
struct HeadTask {
  Index input_size;   // F
  Index output_size;  // O
  const T* weight;    // (O, F)
  const T* bias;      // (O,)
  const T* packed;    // transposed weight (F, O), packed; not read for dot products
  const T* h;         // (n, F), read
  Index h_stride;
  T* logits;  // (n, O), overwritten
  Index logits_stride;
};

/// Rows in steps of `batch` rows each: row r is row r % batch of step r / batch.
template <class T>
struct HeadRows {
  const T* data;
  Index batch;
  Index batch_stride;  // from a row to the next of its step
  Index time_stride;   // from a step to the next
};

template <class T>
struct HeadGradientTask {
  Index input_size;
  Index output_size;
  Index rows;       // n
  const T* packed;  // weight (O, F), packed
  const T* h;       // (n, F), read
  Index h_stride;
  HeadRows<T> dlogits;  // (n, O), read; input_gradient has one row a step
  T* dh;                // (n, F), overwritten
  Index dh_stride;
  T* dweight;  // (O, F), overwritten
  T* dbias;    // (O,), overwritten
};

/// The most outputs of a HeadBlock: enough to make up for copying rows of h, and few enough for
/// their gradients to stay in L2.
inline constexpr Index kBlockOutputs = 48;

/// A part of dweight: some outputs, and some groups of inputs.
struct HeadBlock {
  Index first_output, last_output;
  Index first_group, last_group;
};

/// Rows begin <= row < end.
template <class T>
using HeadKernel = void (*)(const HeadTask<T>& task, Index begin, Index end) noexcept;
template <class T>
using HeadInputGradientKernel = void (*)(const HeadGradientTask<T>& task, Index begin,
                                         Index end) noexcept;
/// The block, over all rows; those of group 0 include the block's outputs of dbias.
template <class T>
using HeadWeightGradientKernel = void (*)(const HeadGradientTask<T>& task,
                                          const HeadBlock& block) noexcept;

/// n values, replaced by f of each. A value's bits do not depend on its place.
template <class T>
using ActivationKernel = void (*)(Activation activation, T* values, Index n) noexcept;
/// gradient (n,) *= f'(a), from y (n,) = f(a).
template <class T>
using DerivativeKernel = void (*)(Activation activation, const T* y, T* gradient, Index n) noexcept;

/// The head's kernels of one instruction set for one type; those of its gradient are apart, since
/// programs that only infer need not contain them.
template <class T>
struct HeadKernels {
  Index group_columns;
  Index most_dot_products;  // the largest O for which sums are dot products
  HeadKernel<T> logits;
  ActivationKernel<T> activate;  // of the dense layer before a stack
};
template <class T>
struct HeadGradientKernels {
  HeadInputGradientKernel<T> input_gradient;
  HeadWeightGradientKernel<T> weight_gradient;
  DerivativeKernel<T> multiply_by_derivative;  // of the dense layer before a stack
};

}  // namespace peephole::kernels
