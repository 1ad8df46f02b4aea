#pragma once

/// What a build with PEEPHOLE_SMALL leaves out: kernels that others stand in for.
namespace peephole::kernels {

#if defined(PEEPHOLE_SMALL)
inline constexpr bool kSmall = true;
#else
inline constexpr bool kSmall = false;
#endif

/// Forward passes of one row through few units. The kernels of batches give the same bits.
inline constexpr bool kHasOneRowKernels = !kSmall;
/// Steps of one sequence: of all sets, or of those that `kFused` is true of, which are all but the
/// baseline. The kernels of batches give the same bits.
template <bool kFused>
inline constexpr bool kHasStepKernel = !kSmall || kFused;
/// Layer normalisation: of all sets, or of the baseline. So it is with integer weights.
template <bool kFused>
inline constexpr bool kHasNormKernels = !kSmall || !kFused;

}  // namespace peephole::kernels
