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
    if (!already()) _mm_setcsr(saved_ | kFlushes);
  }
  ~FlushDenormals() {
    if (!already()) _mm_setcsr(saved_);
  }
#else
  FlushDenormals() noexcept {}
  ~FlushDenormals() {}
#endif
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

#if defined(__SSE2__)
 private:
  // Flush to zero, and denormals are zero.
  static constexpr unsigned kFlushes = 1u << 15 | 1u << 6;

  /// Setting the mode costs some 5 ns, a tenth of a step of a small layer.
  bool already() const noexcept { return (saved_ & kFlushes) == kFlushes; }

  unsigned saved_;
#endif
};

}  // namespace peephole
