#include "base/buffer.hpp"

#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace peephole {
namespace {

std::align_val_t alignment(std::size_t bytes) noexcept {
  return std::align_val_t{bytes >= kLargePage ? kLargePage : kCacheLine};
}

}  // namespace

void* allocate_lines(std::size_t bytes) {
  void* const data = ::operator new(bytes, alignment(bytes));
#if defined(__linux__)
  // A wish: where it is not granted, small pages do.
  if (bytes >= kLargePage) madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return data;
}

void free_lines(void* data, std::size_t bytes) noexcept {
  ::operator delete(data, alignment(bytes));
}

}  // namespace peephole
