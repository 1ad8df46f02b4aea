# GCC for 64-bit ARM, as Debian has it (g++-aarch64-linux-gnu); programs run under qemu-user:
#   cmake -B build/aarch64 --toolchain cmake/toolchains/aarch64-linux-gnu.cmake -DPEEPHOLE_BUILD_TESTS=ON
# At -O3, Debian's GCC 12 stops in one of the tests with an internal error. With
# -DCMAKE_CXX_FLAGS_RELEASE=-O1 it compiles all of them; the kernels have -O3 of their own.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-L;/usr/aarch64-linux-gnu)
