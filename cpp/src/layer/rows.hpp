#pragma once

#include "layer/layer.hpp"

/// Between the caller's arrays, (B, T, F) in the caller's order, and the packed rows and ranks of a
/// Schedule.
namespace peephole {

/// packed (N, F) = the real steps of `sequences`.
template <class T>
void gather(const Schedule& schedule, SequenceView<const T> sequences, Rows<T> packed) noexcept;

/// The reverse of gather; steps beyond a sequence's length become 0.
template <class T>
void scatter(const Schedule& schedule, Rows<const T> packed, SequenceView<T> sequences) noexcept;

/// ranked (B, H) = the rows of `state` in rank order; zeros for null.
template <class T>
void gather_state(const Schedule& schedule, Index H, const T* state, T* ranked) noexcept;

/// The reverse of gather_state.
template <class T>
void scatter_state(const Schedule& schedule, Index H, const T* ranked, T* state) noexcept;

}  // namespace peephole
