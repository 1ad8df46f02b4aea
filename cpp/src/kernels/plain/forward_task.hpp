#pragma once

#include "kernels/plain/norm_task.hpp"
#include "kernels/plain/quantized_task.hpp"
#include "peephole/activation.hpp"
#include "peephole/types.hpp"

/// The arguments of the forward kernels: plain numbers and pointers, since kernels must not share
/// an inline function with code that is compiled for another set.
namespace peephole::kernels {

/// The gates as indices of arrays of kGates vectors.
enum : int {
  kInput = static_cast<int>(Gate::input),
  kForget = static_cast<int>(Gate::forget),
  kCell = static_cast<int>(Gate::cell),
  kOutput = static_cast<int>(Gate::output),
};

/// Weights as the kernels read them: in panels of `lanes` units. H is padded with zeros to whole
/// panels, and the panels of dense_output to whole groups.
///
/// K, the terms of a gate's sum, runs over x, then h, then c (dense peepholes): K = I + P (+ H).
/// A sum is formed in one chain of additions, or in two, of k < second_chain and of the rest, if a
/// step would mostly wait for a single chain. This depends on H and the instruction set alone, so a
/// sequence has the same bits in any batch.
///
/// With integer weights, the terms are those of x alone, or none.
///
/// A projection's columns, its P outputs, are padded with zeros to whole groups of kGates vectors.
template <class T>
struct ForwardWeights {
  Index panels;
  Index terms;         // K
  Index second_chain;  // K for one chain
  const T* panel;      // (panels, K, 4, lanes)
  const T* narrow;  // (K, 4, lanes / 4): the second of two panels, if it has no more units; or null
  const T* bias;    // (panels, 4, lanes)
  const T* diagonal;  // (panels, 4, lanes), or null
  const T*
      dense_output;     // (groups, H, kGates panels, lanes): P_o where it reads all of c_t, or null
  const T* projection;  // (groups, H, kGates, lanes): W_hr transposed, or null
  QuantizedWeights quantized;
  NormWeights<T> norm;  // `bias` is 0 where there is layer normalisation: it is a shift then
};

/// One step in time: its first row, and the number of its rows.
struct Step {
  Index row;
  Index rows;
};

/// The same, and the offsets of its rows of x and h, in elements.
struct ForwardStep {
  Index row;
  Index rows;
  Index x;
  Index h;
};

/// One layer in one direction over some sequences of a batch (B of them).
template <class T>
struct ForwardTask {
  Index input_size;      // I
  Index hidden_size;     // H
  Index recurrent_size;  // P, the values of h: H without a projection
  Activations activations;
  bool standard;              // the default activations, f not coupled to i, nothing clipped
  bool coupled_input_forget;  // f = 1 - i
  bool output_reads_current;  // diagonal P_o reads c_t
  T cell_clip;                // the bound of c_t; infinity: none
  T preactivation_clip;       // the bound of the gates' sums; infinity: none
  bool clips_projection;      // the projected h is clipped to ±projection_clip
  T projection_clip;
  unsigned peephole_gates;  // of the diagonal: 1 << gate
  ForwardWeights<T> weights;

  const ForwardStep* steps;  // in the order of computation
  Index step_count;
  const T* x;  // of each step (rows, I), read
  Index x_stride;
  T* h;  // of each step (rows, P), overwritten
  Index h_stride;
  T* gates;    // (N, 4H), overwritten; or null
  T* c;        // (N, H), overwritten; or null
  T* clipped;  // (N, H), overwritten: the sum of 1 << gate of the gates that were clipped; or null
  T* unclipped;  // (N, P): the projected h before it is clipped, overwritten; or null
  T* state_h;    // (B, P), replaced
  T* state_c;    // (B, H), replaced
  NormForward<T> norm;

  // Scratch.
  T* h_rows[2];    // (B, h_width): h_{t-1} and h_t, by turns
  Index h_width;   // P rounded up to an odd number of cache lines
  T* c_rows[2];    // (B, c_width), the same of c; one array unless c is among the terms
  Index c_width;   // H rounded up to whole panels and an odd number of cache lines
  T* m_rows;       // (B, c_width): m_t = h(c_t) ⊙ o, which a projection reads
  T* output_sums;  // (B, panels * lanes): a_o until all of c_t is known, with dense_output
  T* projected;    // (kChunkRows, panels, 4, lanes): b + W x of steps to come
  T* sums;         // (B, 4, lanes): of one panel, between blocks of K
  const QuantizedRows* quantized;  // of each part of a team, with integer weights
};

/// Panels of a layer up to which each sum is formed in two chains: with one chain for each of the 4
/// sums of so few panels, a step of one row would mostly wait for its additions.
inline constexpr Index kPanelsOfTwoChains = 2;

/// The most rows of x that are multiplied ahead of the recurrence at a time.
inline constexpr Index kChunkRows = 96;

/// One thread of a team that computes a task together, some units each. All of them call the
/// kernel.
struct TeamPart {
  int part = 0;
  int parts = 1;
  void (*wait)(void* barrier) = nullptr;  // until all parts have called it
  void* barrier = nullptr;
};

template <class T>
using ForwardKernel = void (*)(const ForwardTask<T>& task, const TeamPart& team) noexcept;
/// Of a layer with layer normalisation.
template <class T>
using NormForwardKernel = void (*)(const ForwardTask<T>& task) noexcept;

/// to[k * to_stride + u] = from[u * from_stride + k] for u < units <= lanes and k < terms; 0 for
/// the other lanes u.
template <class T>
using TransposeKernel = void (*)(const T* from, Index from_stride, Index units, Index terms, T* to,
                                 Index to_stride);

/// The kernels for integer weights of one instruction set.
struct QuantizedKernels {
  Index gate_group;  // see IntegerPanels
  bool quads;        // whether it multiplies them
  int quad_offset;   // what is added to their factors
  ForwardKernel<float> forward;
  NormForwardKernel<float> norm_forward;
};

/// The forward kernels of one instruction set for one type.
template <class T>
struct ForwardKernels {
  Index lanes;
  ForwardKernel<T> forward;
  NormForwardKernel<T> norm_forward;  // null if !kHasNormKernels
  TransposeKernel<T> transpose;
};

}  // namespace peephole::kernels
