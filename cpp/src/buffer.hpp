#pragma once

#include <cstddef>
#include <new>
#include <utility>

#include "peephole/types.hpp"

namespace peephole {

/// Where arrays begin, so that vector loads do not straddle lines.
inline constexpr std::size_t kCacheLine = 64;

/// Aligned memory that only ever grows: what a repeated call of one shape reuses.
template <class T>
class Buffer {
 public:
  Buffer() noexcept = default;
  ~Buffer() { release(); }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }

  /// At least `size` values, and at least one, so that never null. What they held is lost when it
  /// has to grow.
  T* reserve(Index size) {
    if (size > capacity_ || data_ == nullptr) {
      release();
      size = size > 0 ? size : 1;
      data_ = static_cast<T*>(
          ::operator new(static_cast<std::size_t>(size) * sizeof(T), std::align_val_t{kCacheLine}));
      capacity_ = size;
    }
    return data_;
  }

  T* data() const noexcept { return data_; }
  Index capacity() const noexcept { return capacity_; }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
  }
  void release() noexcept {
    ::operator delete(data_, std::align_val_t{kCacheLine});
    data_ = nullptr;
    capacity_ = 0;
  }

  T* data_ = nullptr;
  Index capacity_ = 0;
};

}  // namespace peephole
