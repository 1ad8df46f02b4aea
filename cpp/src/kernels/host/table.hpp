#pragma once

#include "kernels/plain/backward_task.hpp"
#include "kernels/plain/forward_task.hpp"
#include "kernels/plain/head_task.hpp"
#include "kernels/plain/step_task.hpp"
#include "runtime/isa.hpp"

/// The one place where an instruction set becomes kernels.
namespace peephole::kernels {

/// The kernels of one instruction set for one type.
template <class T>
struct KernelsOf {
  const ForwardKernels<T>& forward;
  const BackwardKernels<T>& backward;
  const StepKernels<T>& step;
  const HeadKernels<T>& head;

  Index lanes() const noexcept { return forward.lanes; }
};

/// Those of an available instruction set.
template <class T>
KernelsOf<T> kernels_of(Isa isa) noexcept;

}  // namespace peephole::kernels
