#pragma once

/// PEEPHOLE_EXPORT_KERNELS(set): all that the file of an instruction set defines, by set::Vec. That
/// file is compiled once for each of the parts, at the same time; CMake defines which part. The
/// head has the products of backward, and is compiled with it.
#if defined(PEEPHOLE_PART_FORWARD)
#include "kernels/simd/forward/exports-inl.hpp"
#define PEEPHOLE_EXPORT_KERNELS(set) \
  extern const AllTypes<ForwardKernels> forward_##set = forward_kernels<set::Vec>();
#elif defined(PEEPHOLE_PART_BACKWARD)
#include "kernels/simd/backward/exports-inl.hpp"
#include "kernels/simd/head/exports-inl.hpp"
#define PEEPHOLE_EXPORT_KERNELS(set)                                                    \
  extern const AllTypes<BackwardKernels> backward_##set = backward_kernels<set::Vec>(); \
  extern const AllTypes<HeadKernels> head_##set = head_kernels<set::Vec>();
#elif defined(PEEPHOLE_PART_STEP)
#include "kernels/simd/step/exports-inl.hpp"
#define PEEPHOLE_EXPORT_KERNELS(set) \
  extern const AllTypes<StepKernels> step_##set = step_kernels<set::Vec>();
#endif
