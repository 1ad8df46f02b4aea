#pragma once

#include <atomic>
#include <cstdlib>

/// Counts calls of the C library that a real-time thread must not make. It replaces functions of
/// the library, so one file of a program may include it. PEEPHOLE_WATCHED tells whether it can:
/// with glibc, without sanitizers.

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PEEPHOLE_SANITIZED 1  // which have functions of their own in place of the C library's
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PEEPHOLE_SANITIZED 1
#endif
#endif

namespace peephole::test {

inline std::atomic<bool> watching{false};
inline std::atomic<long> seen{0};

inline void note() {
  if (watching) ++seen;
}

/// How often f() calls the C library to allocate, to free or to lock, on any thread.
template <class F>
long watched_calls(const F& f) {
  seen = 0;
  watching = true;
  f();
  watching = false;
  return seen;
}

}  // namespace peephole::test

#if defined(__GLIBC__) && !defined(PEEPHOLE_SANITIZED)
#define PEEPHOLE_WATCHED 1
#include <dlfcn.h>
#include <pthread.h>

// In place of glibc's: operator new, too, comes by malloc or aligned_alloc.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t size) {
  peephole::test::note();
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  peephole::test::note();
  return __libc_calloc(count, size);
}
void* realloc(void* data, std::size_t size) {
  peephole::test::note();
  return __libc_realloc(data, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  peephole::test::note();
  return __libc_memalign(alignment, size);
}
void free(void* data) {
  peephole::test::note();
  __libc_free(data);
}
int pthread_mutex_lock(pthread_mutex_t* mutex) {
  peephole::test::note();
  using Lock = int (*)(pthread_mutex_t*);
  static const auto lock = reinterpret_cast<Lock>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  return lock(mutex);
}
}
#endif
