# The kernels of each instruction set: src/kernels/isa/<set>.cpp with the flags of that set, compiled
# once for each part (forward, backward with the head, step, norm), so that the parts are compiled at the
# same time.
# Only these objects get instruction-set flags, and they share no inline function with others.
#
# To be included after exact.cmake, when the target peephole exists. Sets
#   PEEPHOLE_INSTRUCTION_SETS     the sets in this build
#   PEEPHOLE_KERNEL_FLAGS_<set>   their flags
#   PEEPHOLE_KERNEL_DEFINITIONS   what the other sources of the library must know of them
#   PEEPHOLE_KERNEL_OBJECTS       the objects, which are part of the library

set(PEEPHOLE_INSTRUCTION_SETS "")
set(PEEPHOLE_KERNEL_DEFINITIONS "")
set(PEEPHOLE_KERNEL_OBJECTS "")

# -O3, since tiles are loops that must be unrolled; but sanitizers make those slow to compile. No
# exceptions, which would bring in symbols of their own.
set(PEEPHOLE_KERNEL_FLAGS $<IF:$<CONFIG:Debug>,-O1,-O3> ${PEEPHOLE_EXACT_FLAGS} -fno-exceptions
  ${PEEPHOLE_SECTION_FLAGS})
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=address,undefined")
  # AddressSanitizer checks every access too; checking twice takes a third of the compiler's time.
  list(APPEND PEEPHOLE_KERNEL_FLAGS -fno-sanitize=null,object-size,pointer-overflow)
endif()
if(PEEPHOLE_BUILD_FUZZERS)
  list(APPEND PEEPHOLE_KERNEL_FLAGS -fno-sanitize=all)  # the fuzzers never run the kernels
endif()

# peephole_instruction_set(<set> [flag ...])
macro(peephole_instruction_set set)
  list(APPEND PEEPHOLE_INSTRUCTION_SETS ${set})
  set(PEEPHOLE_KERNEL_FLAGS_${set} ${PEEPHOLE_KERNEL_FLAGS} ${ARGN})
  foreach(part IN ITEMS forward backward step norm)
    set(kernels peephole_kernels_${set}_${part})
    string(TOUPPER ${part} part)
    add_library(${kernels} OBJECT src/kernels/isa/${set}.cpp)
    peephole_warnings(${kernels})
    target_compile_features(${kernels} PRIVATE cxx_std_17)
    target_compile_definitions(${kernels} PRIVATE PEEPHOLE_PART_${part})
    target_compile_options(${kernels} PRIVATE ${PEEPHOLE_KERNEL_FLAGS_${set}}
      $<$<STREQUAL:${part},NORM>:-fno-math-errno>)  # a square root is one instruction
    target_include_directories(${kernels} PRIVATE include src)
    set_target_properties(${kernels} PROPERTIES
      CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON UNITY_BUILD OFF
      CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    list(APPEND PEEPHOLE_KERNEL_OBJECTS $<TARGET_OBJECTS:${kernels}>)
  endforeach()
endmacro()

peephole_instruction_set(baseline)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(PEEPHOLE_KERNEL_DEFINITIONS PEEPHOLE_X86_KERNELS)
  peephole_instruction_set(avx2 -mavx2 -mfma)
  # GCC 12 warns of its own _mm512_undefined_ps().
  peephole_instruction_set(avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma
    -mprefer-vector-width=512 -Wno-uninitialized -Wno-maybe-uninitialized)
endif()

target_sources(peephole PRIVATE ${PEEPHOLE_KERNEL_OBJECTS})
target_compile_definitions(peephole PRIVATE ${PEEPHOLE_KERNEL_DEFINITIONS})
