#pragma once

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace peephole {

/// While it lives, this thread treats denormal numbers as zeros; then the caller's mode is
/// restored.
///
/// Gradients and gates decay into denormals, on which x86 arithmetic is tens of times slower.
class FlushDenormals {
 public:
#if defined(__SSE2__)
  FlushDenormals() noexcept : saved_(_mm_getcsr()) {
    _mm_setcsr(saved_ | kFlushToZero | kDenormalsAreZero);
  }
  ~FlushDenormals() { _mm_setcsr(saved_); }
#else
  FlushDenormals() noexcept {}
  ~FlushDenormals() {}
#endif
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

#if defined(__SSE2__)
 private:
  static constexpr unsigned kFlushToZero = 1u << 15, kDenormalsAreZero = 1u << 6;
  unsigned saved_;
#endif
};

}  // namespace peephole
