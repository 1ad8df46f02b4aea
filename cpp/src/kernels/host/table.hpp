#pragma once

#include "kernels/plain/backward_task.hpp"
#include "kernels/plain/forward_task.hpp"
#include "kernels/plain/head_task.hpp"
#include "kernels/plain/step_task.hpp"
#include "runtime/isa.hpp"

/// The one place where an instruction set becomes kernels.
namespace peephole::kernels {

// The kernels of an available instruction set, for each part of the work; T is float or double.

template <class T>
const ForwardKernels<T>& forward_kernels_of(Isa isa) noexcept;
template <class T>
const BackwardKernels<T>& backward_kernels_of(Isa isa) noexcept;
template <class T>
const StepKernels<T>& step_kernels_of(Isa isa) noexcept;
template <class T>
const HeadKernels<T>& head_kernels_of(Isa isa) noexcept;
template <class T>
const HeadGradientKernels<T>& head_gradient_kernels_of(Isa isa) noexcept;

#define PEEPHOLE_KERNELS_OF(T)                                    \
  template <>                                                     \
  const ForwardKernels<T>& forward_kernels_of<T>(Isa) noexcept;   \
  template <>                                                     \
  const BackwardKernels<T>& backward_kernels_of<T>(Isa) noexcept; \
  template <>                                                     \
  const StepKernels<T>& step_kernels_of<T>(Isa) noexcept;         \
  template <>                                                     \
  const HeadKernels<T>& head_kernels_of<T>(Isa) noexcept;         \
  template <>                                                     \
  const HeadGradientKernels<T>& head_gradient_kernels_of<T>(Isa) noexcept;
PEEPHOLE_KERNELS_OF(float)
PEEPHOLE_KERNELS_OF(double)
#undef PEEPHOLE_KERNELS_OF

/// For integer weights.
const QuantizedKernels& quantized_kernels_of(Isa isa) noexcept;

/// The values of a vector.
template <class T>
Index lanes_of(Isa isa) noexcept {
  return forward_kernels_of<T>(isa).lanes;
}

}  // namespace peephole::kernels
