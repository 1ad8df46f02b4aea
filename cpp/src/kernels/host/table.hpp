#pragma once

#include "kernels/plain/backward_task.hpp"
#include "kernels/plain/forward_task.hpp"
#include "kernels/plain/head_task.hpp"
#include "kernels/plain/step_task.hpp"
#include "runtime/isa.hpp"

/// The one place where an instruction set becomes kernels.
namespace peephole::kernels {

// The kernels of an available instruction set, for each part of the work.

template <class T>
const ForwardKernels<T>& forward_kernels_of(Isa isa) noexcept;
template <class T>
const BackwardKernels<T>& backward_kernels_of(Isa isa) noexcept;
template <class T>
const StepKernels<T>& step_kernels_of(Isa isa) noexcept;
template <class T>
const HeadKernels<T>& head_kernels_of(Isa isa) noexcept;

/// The values of a vector.
template <class T>
Index lanes_of(Isa isa) noexcept {
  return forward_kernels_of<T>(isa).lanes;
}

}  // namespace peephole::kernels
