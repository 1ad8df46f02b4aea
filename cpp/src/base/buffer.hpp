#pragma once

#include <cstddef>
#include <utility>

#include "base/arithmetic.hpp"
#include "peephole/types.hpp"

namespace peephole {

/// Bytes of a large page. Arrays of as many lie in them, where the system has some to give: rows of
/// matrices are pages apart, and of small pages a processor keeps too few addresses.
inline constexpr std::size_t kLargePage = std::size_t{1} << 21;

/// Memory of so many bytes that begins a line. Throws std::bad_alloc.
void* allocate_lines(std::size_t bytes);
void free_lines(void* data, std::size_t bytes) noexcept;

/// Aligned memory that only ever grows: what a repeated call of one shape reuses.
/// It can use the caller's memory instead.
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
      data_ = static_cast<T*>(allocate_lines(static_cast<std::size_t>(size) * sizeof(T)));
      capacity_ = size;
    }
    return data_;
  }

  /// Uses `size` values of the caller's memory, which must outlive this and be enough for all that
  /// is reserved.
  void borrow(T* data, Index size) noexcept {
    release();
    data_ = data;
    capacity_ = size;
    owned_ = false;
  }

  T* data() const noexcept { return data_; }
  Index capacity() const noexcept { return capacity_; }
  /// Of its own memory.
  std::size_t bytes() const noexcept {
    return owned_ ? static_cast<std::size_t>(capacity_) * sizeof(T) : 0;
  }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    std::swap(owned_, other.owned_);
  }
  void release() noexcept {
    if (data_ != nullptr && owned_) free_lines(data_, bytes());
    data_ = nullptr;
    capacity_ = 0;
    owned_ = true;
  }

  T* data_ = nullptr;
  Index capacity_ = 0;
  bool owned_ = true;
};

}  // namespace peephole
