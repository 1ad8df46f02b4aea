#include <float.h>

// What the promises on the bits and on the error bounds of results rest on.
#if FLT_EVAL_METHOD != 0
#error "peephole needs float arithmetic in float: on 32-bit x86, compile with -msse2 -mfpmath=sse"
#endif
static_assert(FLT_RADIX == 2 && FLT_MANT_DIG == 24 && DBL_MANT_DIG == 53,
              "peephole needs float and double of IEEE 754");
