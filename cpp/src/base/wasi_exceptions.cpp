// WebAssembly without exceptions, as compilers make it by default: an error ends the program. A C++
// library that has these functions takes precedence.
#if defined(__wasi__) && !defined(__wasm_exception_handling__)

#include <cstdio>
#include <cstdlib>
#include <typeinfo>

extern "C" {

[[gnu::weak]] void* __cxa_allocate_exception(std::size_t size) noexcept {
  void* const exception = std::malloc(size);
  if (exception == nullptr) std::abort();
  return exception;
}

[[gnu::weak, noreturn]] void __cxa_throw(void*, std::type_info* type, void (*)(void*)) {
  std::fprintf(stderr, "peephole: an exception of type %s, which this program cannot catch\n",
               type->name());
  std::abort();
}

}  // extern "C"

#endif
