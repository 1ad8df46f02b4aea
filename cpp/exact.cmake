# Results must not depend on the flags of a project that contains this one, such as -ffast-math in
# CMAKE_CXX_FLAGS: a compiler takes the last of contradicting flags, and a target's come last. Nor may
# they depend on what a compiler contracts: streams and whole sequences give the same bits.
#
# These flags are for the files of the library. A program that is linked with -ffast-math may still
# treat denormal numbers as zeros, as a mode of the whole process; calls of models do so anyway.
set(PEEPHOLE_EXACT_FLAGS
  $<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-fno-fast-math>
  $<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-fno-unsafe-math-optimizations>
  $<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-fno-associative-math>
  $<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-fno-reciprocal-math>
  $<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-fno-finite-math-only>
  $<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-fsigned-zeros>
  $<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-ffp-contract=off>
  $<$<CXX_COMPILER_ID:IntelLLVM>:-fp-model=precise>
  $<$<CXX_COMPILER_ID:MSVC>:/fp:precise>)
