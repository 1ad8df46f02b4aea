#pragma once

#include "peephole/activation.hpp"
#include "peephole/types.hpp"

/// What the kernels of an instruction set are given: plain numbers and pointers, since they may not
/// share any inline function with code compiled for another set.
namespace peephole::kernels {

/// The gates as places in arrays of kGates vectors.
enum : int {
  kInput = static_cast<int>(Gate::input),
  kForget = static_cast<int>(Gate::forget),
  kCell = static_cast<int>(Gate::cell),
  kOutput = static_cast<int>(Gate::output),
};

/// Weights as the kernels read them. Units are taken in panels of `lanes`; H is padded to whole
/// panels, and panels to whole groups where they are taken in groups, with zeros.
///
/// K, the terms of a gate's sum, runs over x, then h, then c (dense peepholes): K = I + H (+ H).
/// A sum is formed in one chain, or, where one chain of dependent additions would be all that a
/// step waits for, in two: of k < second_chain and of the rest. This is a matter of H and of the
/// instruction set alone, so a sequence has the same bits in any batch.
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
      dense_output;  // (groups, H, kGates panels, lanes): P_o where it reads all of c_t, or null
};

/// One step of time, for the sequences at hand: that of the first of them in the packed rows.
struct Step {
  Index row;
  Index rows;
};

/// The same, and where its rows of x and h begin, in elements.
struct ForwardStep {
  Index row;
  Index rows;
  Index x;
  Index h;
};

/// A task of one layer in one direction over some sequences of a batch ("rows", B of them).
template <class T>
struct ForwardTask {
  Index input_size;   // I
  Index hidden_size;  // H
  Activations activations;
  bool standard;              // the default activations, f not coupled to i
  bool coupled_input_forget;  // f = 1 - i
  bool output_reads_current;  // diagonal P_o reads c_t
  unsigned peephole_gates;    // of the diagonal: 1 << gate
  ForwardWeights<T> weights;

  const ForwardStep* steps;  // in the order of computation
  Index step_count;
  const T* x;  // of each step (rows, I), read
  Index x_stride;
  T* h;  // of each step (rows, H), overwritten
  Index h_stride;
  T* gates;    // (N, 4H), overwritten; or null
  T* c;        // (N, H), overwritten; or null
  T* state_h;  // (B, H), replaced
  T* state_c;  // (B, H), replaced

  // Scratch.
  T* h_rows[2];    // (B, panels * lanes): h_{t-1} and h_t, by turns
  T* c_rows[2];    // the same of c; both are one array unless c is among the terms
  T* output_sums;  // (B, panels * lanes): a_o until all of c_t is known, with dense_output
  T* projected;    // (kChunkRows, panels, 4, lanes): b + W x of steps to come
  T* sums;         // (B, 4, lanes): of one panel, between blocks of K
};

/// Rows of x that are multiplied ahead of the recurrence, at most.
inline constexpr Index kChunkRows = 96;

/// One member of a team of threads that compute a task together, each some units; all call the
/// kernel.
struct TeamPart {
  int part = 0;
  int parts = 1;
  void (*wait)(void* barrier) = nullptr;  // until all parts have called it
  void* barrier = nullptr;
};

template <class T>
using ForwardKernel = void (*)(const ForwardTask<T>& task, const TeamPart& team) noexcept;

/// to[k * to_stride + u] = from[u * from_stride + k] for u < units <= lanes and k < terms; 0 for
/// the other lanes u.
template <class T>
using TransposeKernel = void (*)(const T* from, Index from_stride, Index units, Index terms, T* to,
                                 Index to_stride);

/// The forward kernels of one instruction set for one type.
template <class T>
struct ForwardKernels {
  Index lanes;
  ForwardKernel<T> forward;
  TransposeKernel<T> transpose;
};

/// What an instruction set exports of one part (forward, backward, step): its kernels for each
/// type, as bases, so that the type alone selects them and a type without kernels does not compile.
template <template <class> class Kernels>
struct AllTypes : Kernels<float>, Kernels<double> {};

}  // namespace peephole::kernels
