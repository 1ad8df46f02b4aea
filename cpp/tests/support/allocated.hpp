#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>
#ifdef _WIN32
#include <malloc.h>
#endif

/// Counts what a test program allocates by operator new; include it in one source of the program.
namespace peephole::test {

inline std::atomic<std::size_t> allocated{0};       // bytes, now
inline std::atomic<std::size_t> most_allocated{0};  // bytes, since it was last set

/// Windows has its own functions for memory with an alignment.
inline void* system_allocate(std::size_t size, std::size_t alignment) {
#ifdef _WIN32
  return _aligned_malloc(size, alignment);
#else
  return std::aligned_alloc(alignment, size);
#endif
}

inline void system_free(void* block) noexcept {
#ifdef _WIN32
  _aligned_free(block);
#else
  std::free(block);
#endif
}

inline void* allocate(std::size_t size, std::size_t alignment) {
  // The size is kept in front, one alignment away.
  const std::size_t whole = (size + 2 * alignment - 1) / alignment * alignment;
  void* const block = system_allocate(whole, alignment);
  if (block == nullptr) throw std::bad_alloc();
  *static_cast<std::size_t*>(block) = size;
  const std::size_t now = allocated += size;
  if (now > most_allocated) most_allocated = now;
  return static_cast<char*>(block) + alignment;
}

inline void release(void* data, std::size_t alignment) noexcept {
  if (data == nullptr) return;
  void* const block = static_cast<char*>(data) - alignment;
  allocated -= *static_cast<std::size_t*>(block);
  system_free(block);
}

}  // namespace peephole::test

void* operator new(std::size_t size) {
  return peephole::test::allocate(size, alignof(std::max_align_t));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return peephole::test::allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return operator new(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void operator delete(void* data) noexcept {
  peephole::test::release(data, alignof(std::max_align_t));
}
void operator delete(void* data, std::size_t) noexcept { operator delete(data); }
void operator delete(void* data, const std::nothrow_t&) noexcept { operator delete(data); }
void operator delete(void* data, std::align_val_t alignment) noexcept {
  peephole::test::release(data, static_cast<std::size_t>(alignment));
}
void operator delete(void* data, std::size_t, std::align_val_t alignment) noexcept {
  operator delete(data, alignment);
}
