#pragma once

/// PEEPHOLE_EXPORT_KERNELS(set): all that the file of an instruction set defines, by set::Vec. That
/// file is compiled once for each of the parts, at the same time, or once for all of them; CMake
/// defines which parts. The head has the products of backward, and is compiled with it.
///
/// Each type has a table of its own, so that a program which uses one type need not contain the
/// kernels of the other.
#define PEEPHOLE_EXPORT(Kernels, part, set)                                                \
  extern const Kernels<float> part##_##set##_float = part##_kernels_of<set::Vec<float>>(); \
  extern const Kernels<double> part##_##set##_double = part##_kernels_of<set::Vec<double>>();

#if defined(PEEPHOLE_PART_FORWARD)
#include "kernels/simd/forward/exports-inl.hpp"
#define PEEPHOLE_EXPORT_FORWARD(set) PEEPHOLE_EXPORT(ForwardKernels, forward, set)
#else
#define PEEPHOLE_EXPORT_FORWARD(set)
#endif

#if defined(PEEPHOLE_PART_BACKWARD)
#include "kernels/simd/backward/exports-inl.hpp"
#include "kernels/simd/head/exports-inl.hpp"
#define PEEPHOLE_EXPORT_BACKWARD(set)             \
  PEEPHOLE_EXPORT(BackwardKernels, backward, set) \
  PEEPHOLE_EXPORT(HeadKernels, head, set)         \
  PEEPHOLE_EXPORT(HeadGradientKernels, head_gradient, set)
#else
#define PEEPHOLE_EXPORT_BACKWARD(set)
#endif

#if defined(PEEPHOLE_PART_STEP)
#include "kernels/simd/step/exports-inl.hpp"
#define PEEPHOLE_EXPORT_STEP(set) PEEPHOLE_EXPORT(StepKernels, step, set)
#else
#define PEEPHOLE_EXPORT_STEP(set)
#endif

#if defined(PEEPHOLE_PART_QUANTIZED)
#include "kernels/simd/quantized/exports-inl.hpp"
#define PEEPHOLE_EXPORT_QUANTIZED(set) \
  extern const QuantizedKernels quantized_##set = quantized_kernels_of<set::Integers>();
#else
#define PEEPHOLE_EXPORT_QUANTIZED(set)
#endif

#define PEEPHOLE_EXPORT_KERNELS(set) \
  PEEPHOLE_EXPORT_FORWARD(set)       \
  PEEPHOLE_EXPORT_BACKWARD(set)      \
  PEEPHOLE_EXPORT_STEP(set)          \
  PEEPHOLE_EXPORT_QUANTIZED(set)
