# Results must not depend on the flags of a project that contains this one, such as -ffast-math in
# CMAKE_CXX_FLAGS: a compiler takes the last of contradicting flags, and a target's come last. Nor may
# they depend on what a compiler contracts: streams and whole sequences give the same bits.
#
# These flags are for the files of the library. A program that is linked with -ffast-math may still
# treat denormal numbers as zeros, as a mode of the whole process; calls of models do so anyway.
#
# Sets
#   PEEPHOLE_EXACT_FLAGS   as above
# and defines
#   peephole_gnu_flags(<variable> <flag> ...)   flags of GCC and Clang as this compiler takes them

if(CMAKE_CXX_COMPILER_ID STREQUAL "MSVC")
  message(FATAL_ERROR "peephole: cl cannot compile the kernels, clang-cl can: configure with "
    "-T ClangCL (Visual Studio) or -D CMAKE_CXX_COMPILER=clang-cl (Ninja)")
endif()

# clang-cl has the command line of cl. It takes Clang's own flags after /clang: and only warns of others.
function(peephole_gnu_flags variable)
  set(flags ${ARGN})
  if(CMAKE_CXX_COMPILER_FRONTEND_VARIANT STREQUAL "MSVC")
    list(TRANSFORM flags REPLACE "(^|,|>:)-" "\\1/clang:-")  # in generator expressions, too
  endif()
  set(${variable} ${flags} PARENT_SCOPE)
endfunction()

set(PEEPHOLE_EXACT_FLAGS "")
if(CMAKE_CXX_COMPILER_ID MATCHES "^(GNU|Clang|AppleClang)$")
  peephole_gnu_flags(PEEPHOLE_EXACT_FLAGS -fno-fast-math -fno-unsafe-math-optimizations
    -fno-associative-math -fno-reciprocal-math -fno-finite-math-only -fsigned-zeros -ffp-contract=off)
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "IntelLLVM")
  set(PEEPHOLE_EXACT_FLAGS -fp-model=precise)
endif()
