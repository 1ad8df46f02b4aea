#pragma once

/// What a build with PEEPHOLE_SMALL leaves out: kernels that others can replace.
namespace peephole::kernels {

#if defined(PEEPHOLE_SMALL)
inline constexpr bool kSmall = true;
#else
inline constexpr bool kSmall = false;
#endif

/// Kernels for a sequence of one row through few units. Those for batches give the same bits.
inline constexpr bool kHasOneRowKernels = !kSmall;
/// Kernels for a single step of one sequence. A small build has them in all sets but the baseline,
/// the only one whose vectors have no fused operations. Those for batches give the same bits.
template <bool kFused>
inline constexpr bool kHasStepKernel = !kSmall || kFused;
/// Kernels for layer normalisation. A small build has them in the baseline only, and so it is with
/// those for integer weights: see kernels.cmake and host/table.cpp.
template <bool kFused>
inline constexpr bool kHasNormKernels = !kSmall || !kFused;

}  // namespace peephole::kernels
