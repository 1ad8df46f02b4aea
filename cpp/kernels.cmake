# The kernels of each instruction set: src/kernels/isa/<set>.cpp with the flags of that set, compiled
# once for each part (forward, backward with the head, step, quantized), so that the parts are compiled at the same
# time.
#
# With PEEPHOLE_SMALL all parts of a set are one object, so that they share functions, and kernels that others
# can replace are left out: see src/kernels/plain/small.hpp.
#
# Only these objects get instruction-set flags, and they share no inline function with others.
#
# To be included after exact.cmake, when the target peephole exists. Sets
#   PEEPHOLE_INSTRUCTION_SETS     the sets in this build
#   PEEPHOLE_KERNEL_FLAGS_<set>   their flags
#   PEEPHOLE_KERNEL_DEFINITIONS   what the other sources of the library must know of them
#   PEEPHOLE_KERNEL_OBJECTS       the objects, which are part of the library

include(CheckCXXSourceCompiles)

set(PEEPHOLE_KERNELS "avx2;avx512;neon" CACHE STRING
  "Instruction sets to compile kernels for, besides baseline, where the processor's family has them")
foreach(set IN LISTS PEEPHOLE_KERNELS)
  if(NOT set MATCHES "^(avx2|avx512|neon|baseline|reference)$")  # the last two are in every build
    message(FATAL_ERROR "PEEPHOLE_KERNELS: expected some of avx2, avx512 and neon, got ${set}")
  endif()
endforeach()
option(PEEPHOLE_SMALL "Compile for size; some layers are computed more slowly" OFF)
set(PEEPHOLE_INSTRUCTION_SETS "")
set(PEEPHOLE_KERNEL_DEFINITIONS "")
set(PEEPHOLE_KERNEL_OBJECTS "")

# -O3, since tiles are loops that must be unrolled; but sanitizers make those slow to compile. No
# exceptions, which would bring in symbols of their own. Square roots that set no errno are one instruction.
set(PEEPHOLE_KERNEL_FLAGS $<IF:$<CONFIG:Debug>,-O1,-O3> ${PEEPHOLE_EXACT_FLAGS} -fno-exceptions
  -fno-math-errno ${PEEPHOLE_SECTION_FLAGS})
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=address")
  # Inlined functions by the thousand, whose ends of scope would take most of the compiler's time.
  list(APPEND PEEPHOLE_KERNEL_FLAGS -fno-sanitize-address-use-after-scope)
endif()
if(PEEPHOLE_SMALL)
  list(APPEND PEEPHOLE_KERNEL_DEFINITIONS PEEPHOLE_SMALL)
  if(NOT WIN32)  # where the system needs them
    # Nothing is thrown through kernels; backtraces end in them.
    list(APPEND PEEPHOLE_KERNEL_FLAGS -fno-asynchronous-unwind-tables)
  endif()
endif()
if(PEEPHOLE_BUILD_FUZZERS)
  list(APPEND PEEPHOLE_KERNEL_FLAGS -fno-sanitize=all)  # the fuzzers never run the kernels
endif()

# peephole_kernels(<name> <set> <part> ...): one object of the library
function(peephole_kernels name set)
  set(kernels peephole_kernels_${name})
  add_library(${kernels} OBJECT src/kernels/isa/${set}.cpp)
  peephole_warnings(${kernels})
  target_compile_features(${kernels} PRIVATE cxx_std_17)
  list(TRANSFORM ARGN PREPEND PEEPHOLE_PART_ OUTPUT_VARIABLE parts)
  target_compile_definitions(${kernels} PRIVATE ${parts} $<$<BOOL:${PEEPHOLE_SMALL}>:PEEPHOLE_SMALL>)
  target_compile_options(${kernels} PRIVATE ${PEEPHOLE_KERNEL_FLAGS_${set}})
  if("${ARGN}" STREQUAL "QUANTIZED")
    # GCC would move what belongs into the loops out of them, and keep sums on the stack instead.
    target_compile_options(${kernels} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fno-tree-pre>
      $<$<CXX_COMPILER_ID:GNU>:-fno-gcse>)
  endif()
  target_include_directories(${kernels} PRIVATE include src)
  set_target_properties(${kernels} PROPERTIES
    CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON UNITY_BUILD OFF
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  set(PEEPHOLE_KERNEL_OBJECTS ${PEEPHOLE_KERNEL_OBJECTS} $<TARGET_OBJECTS:${kernels}> PARENT_SCOPE)
endfunction()

# peephole_instruction_set(<set> [flag ...])
macro(peephole_instruction_set set)
  list(APPEND PEEPHOLE_INSTRUCTION_SETS ${set})
  string(TOUPPER PEEPHOLE_HAS_${set} has_set)
  list(APPEND PEEPHOLE_KERNEL_DEFINITIONS ${has_set})
  peephole_gnu_flags(PEEPHOLE_KERNEL_FLAGS_${set} ${PEEPHOLE_KERNEL_FLAGS} ${ARGN})
  if(NOT PEEPHOLE_SMALL)
    foreach(part IN ITEMS forward backward step quantized)
      string(TOUPPER ${part} PART)
      peephole_kernels(${set}_${part} ${set} ${PART})
    endforeach()
  elseif(${set} STREQUAL baseline)
    peephole_kernels(${set} ${set} FORWARD BACKWARD STEP QUANTIZED)
  else()
    peephole_kernels(${set} ${set} FORWARD BACKWARD STEP)
  endif()
endmacro()

# A compiler for macOS may be told another architecture than the machine's, or several at once, for
# which no flags are right: then there is only the baseline.
set(processor ${CMAKE_SYSTEM_PROCESSOR})
if(APPLE AND CMAKE_OSX_ARCHITECTURES)
  set(processor ${CMAKE_OSX_ARCHITECTURES})
endif()

peephole_instruction_set(baseline $<$<BOOL:${PEEPHOLE_SMALL}>:-Os>)
if(processor MATCHES "^(x86_64|AMD64|amd64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)  # and not by -m32
  if(avx2 IN_LIST PEEPHOLE_KERNELS)
    peephole_instruction_set(avx2 -mavx2 -mfma)
    # An older assembler does not know these instructions, which some processors with AVX2 have.
    check_cxx_source_compiles([[int main() { __asm__("%{vex%} vpdpbusd %%ymm0, %%ymm1, %%ymm2" ::); }]]
      PEEPHOLE_ASSEMBLES_AVX_VNNI)
    if(PEEPHOLE_ASSEMBLES_AVX_VNNI AND NOT PEEPHOLE_SMALL)
      list(APPEND PEEPHOLE_KERNEL_DEFINITIONS PEEPHOLE_HAS_AVX_VNNI)
      target_compile_definitions(peephole_kernels_avx2_quantized PRIVATE PEEPHOLE_HAS_AVX_VNNI)
    endif()
  endif()
  if(avx512 IN_LIST PEEPHOLE_KERNELS)
    # GCC 12 warns of its own _mm512_undefined_ps().
    peephole_instruction_set(avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma
      -mprefer-vector-width=512 -Wno-uninitialized -Wno-maybe-uninitialized)
  endif()
elseif(processor MATCHES "^(aarch64|arm64|ARM64)$" AND neon IN_LIST PEEPHOLE_KERNELS)
  # All of these processors have NEON, so it needs no flag. GCC would reorder instructions before it
  # assigns registers, and a tile's sums would no longer fit.
  peephole_instruction_set(neon $<$<CXX_COMPILER_ID:GNU>:-fno-schedule-insns>)
endif()

target_sources(peephole PRIVATE ${PEEPHOLE_KERNEL_OBJECTS})
target_compile_definitions(peephole PRIVATE ${PEEPHOLE_KERNEL_DEFINITIONS})
