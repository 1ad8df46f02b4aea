# Cross builds by GCC as Debian has it: apt install g++-aarch64-linux-gnu, g++-mingw-w64-x86-64, ...
#
#   cmake --toolchain cmake/toolchains/gcc.cmake -D PEEPHOLE_GCC_TARGET=aarch64-linux-gnu ...
#
# PEEPHOLE_GCC_TARGET   the prefix of the compiler's name, such as x86_64-w64-mingw32
#
# At -O3, Debian's GCC 12 for aarch64 stops in one of the tests with an internal error. With
# -DCMAKE_CXX_FLAGS_RELEASE=-O1 it compiles all of them; the kernels have -O3 of their own.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PEEPHOLE_GCC_TARGET)
if(NOT PEEPHOLE_GCC_TARGET MATCHES "^([a-z0-9_]+)-(linux|w64)-([a-z0-9]+)$")
  message(FATAL_ERROR "PEEPHOLE_GCC_TARGET: expected such as aarch64-linux-gnu, got "
    "${PEEPHOLE_GCC_TARGET}")
endif()
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_MATCH_1})
if(CMAKE_MATCH_2 STREQUAL "linux")
  set(CMAKE_SYSTEM_NAME Linux)
  set(thread_model "")
else()
  set(CMAKE_SYSTEM_NAME Windows)
  set(CMAKE_RC_COMPILER ${PEEPHOLE_GCC_TARGET}-windres)
  set(thread_model -posix)  # of the two in Debian, the one that has std::thread
  # Programs need no libraries of the compiler, which Windows does not find. Those for Linux are linked
  # as usual: qemu-user finds the libraries of the target with -L /usr/<target>.
  set(CMAKE_EXE_LINKER_FLAGS_INIT "-static")
endif()
set(CMAKE_C_COMPILER ${PEEPHOLE_GCC_TARGET}-gcc${thread_model})
set(CMAKE_CXX_COMPILER ${PEEPHOLE_GCC_TARGET}-g++${thread_model})
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "i686")
  # x87 arithmetic, which GCC would use, has more digits than float and double.
  set(CMAKE_CXX_FLAGS_INIT "-msse2 -mfpmath=sse")
  set(CMAKE_C_FLAGS_INIT "-msse2 -mfpmath=sse")
endif()

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
