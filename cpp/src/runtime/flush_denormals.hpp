#pragma once

#if defined(__SSE2__)
#include <xmmintrin.h>
#elif defined(__aarch64__)
#include <cstdint>
#endif

namespace peephole {

/// While it lives, this thread treats denormal numbers as zeros; then the caller's mode is
/// restored.
///
/// Gradients and gates decay into denormals, on which x86 arithmetic is tens of times slower.
class FlushDenormals {
 public:
#if defined(__SSE2__) || defined(__aarch64__)
  FlushDenormals() noexcept : saved_(mode()) {
    if (!already()) set_mode(saved_ | kFlushes);
  }
  ~FlushDenormals() {
    if (!already()) set_mode(saved_);
  }
#else
  FlushDenormals() noexcept {}
  ~FlushDenormals() {}
#endif
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

#if defined(__SSE2__) || defined(__aarch64__)
 private:
#if defined(__SSE2__)
  using Mode = unsigned;                                // MXCSR
  static constexpr Mode kFlushes = 1u << 15 | 1u << 6;  // flush to zero, and denormals are zero
  static Mode mode() noexcept { return _mm_getcsr(); }
  static void set_mode(Mode mode) noexcept { _mm_setcsr(mode); }
#else
  using Mode = std::uint64_t;                 // FPCR
  static constexpr Mode kFlushes = 1u << 24;  // FZ: of operands and results
  static Mode mode() noexcept {
    Mode mode;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(mode));
    return mode;
  }
  static void set_mode(Mode mode) noexcept {
    __asm__ __volatile__("msr fpcr, %0" : : "r"(mode) : "memory");
  }
#endif

  /// Setting the mode costs some 5 ns, a tenth of a step of a small layer.
  bool already() const noexcept { return (saved_ & kFlushes) == kFlushes; }

  Mode saved_;
#endif
};

}  // namespace peephole
