#pragma once

#include "layer/layer.hpp"
#include "peephole/config.hpp"

/// What a network's head reads of the last layer's h: rows of F = D*H features, the forward
/// direction's first. All memory is the caller's.
namespace peephole {

/// How many rows there are: one a real step for Readout::all, otherwise one a sequence that has a
/// step. Those are the first ranks of the schedule.
Index readout_rows(Readout readout, const Schedule& schedule) noexcept;

/// rows (readout_rows, F), overwritten, from h (N, F); for all readouts but `all`, whose rows are
/// those of h. A row's bits depend on nothing but the sequence.
template <class T>
void read_out(Readout readout, const Schedule& schedule, Index directions, Index features,
              Rows<const T> h, T* rows) noexcept;

/// dh (N, F), overwritten, from h and the gradient of the rows.
template <class T>
void read_out_gradient(Readout readout, const Schedule& schedule, Index directions, Index features,
                       Rows<const T> h, const T* drows, Rows<T> dh) noexcept;

}  // namespace peephole
