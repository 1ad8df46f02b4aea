# The files of cpp/src/kernels/isa: one source for all instruction sets, compiled once for each. Only
# these files get instruction-set flags, and they share no inline function with other files.
#
# Removes from `sources` those of sets that the target processor does not have. Sets
# PEEPHOLE_KERNEL_DEFINITIONS for the library's target, and PEEPHOLE_KERNEL_FLAGS_<isa>.

set(PEEPHOLE_KERNEL_DEFINITIONS "")

# Tiles are loops that must be unrolled, which sanitizers make slow to compile; bits must not depend on
# what a compiler contracts; and exceptions would bring in symbols of their own.
set(common $<IF:$<CONFIG:Debug>,-O1,-O3> -ffp-contract=off -fno-exceptions)
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=address,undefined")
  # AddressSanitizer looks at every access as well; checking twice takes a third of the compiler's time.
  list(APPEND common -fno-sanitize=null,object-size,pointer-overflow)
endif()
if(PEEPHOLE_BUILD_FUZZERS)
  list(APPEND common -fno-sanitize=all)  # the fuzzers never run the kernels
endif()
set(PEEPHOLE_KERNEL_FLAGS_baseline ${common})
set(PEEPHOLE_KERNEL_FLAGS_avx2 ${common} -mavx2 -mfma)
# GCC 12 warns of its own _mm512_undefined_ps().
set(PEEPHOLE_KERNEL_FLAGS_avx512 ${common} -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma
  -mprefer-vector-width=512 -Wno-uninitialized -Wno-maybe-uninitialized)
unset(common)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(PEEPHOLE_KERNEL_DEFINITIONS PEEPHOLE_X86_KERNELS)
else()
  list(FILTER sources EXCLUDE REGEX "/kernels/isa/.*_(avx2|avx512)\\.cpp$")
endif()

foreach(isa IN ITEMS baseline avx2 avx512)
  foreach(source IN LISTS sources)
    if(source MATCHES "/kernels/isa/.*_${isa}\\.cpp$")
      set_source_files_properties(${source} PROPERTIES
        COMPILE_OPTIONS "${PEEPHOLE_KERNEL_FLAGS_${isa}}" SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endforeach()
endforeach()
