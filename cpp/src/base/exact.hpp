#pragma once

#include <cfloat>

/// Refuses compiler options under which results would differ from what this library promises.

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "peephole needs exact floating-point arithmetic: compile its files with -fno-fast-math"
#elif defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
#error "peephole needs FLT_EVAL_METHOD 0: on 32-bit x86, compile with -msse2 -mfpmath=sse"
#endif
