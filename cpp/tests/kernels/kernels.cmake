# The activation functions are tested as each instruction set compiles them.
set(activations kernels/activations_baseline.cpp)
if(PEEPHOLE_KERNEL_DEFINITIONS)
  list(APPEND activations kernels/activations_avx2.cpp kernels/activations_avx512.cpp)
endif()
foreach(source IN LISTS activations)
  string(REGEX REPLACE ".*_([a-z0-9]+)\\.cpp" "\\1" isa ${source})
  set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${PEEPHOLE_KERNEL_FLAGS_${isa}}")
endforeach()
target_sources(kernels_activations_test PRIVATE ${activations})

# Objects of different instruction sets share no symbol, and the baseline ones hold no AVX.
set(objects "$<FILTER:$<TARGET_OBJECTS:peephole>,INCLUDE,/kernels/isa/>")
add_test(NAME kernels_symbols COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/kernels/symbols.sh
  ${CMAKE_NM} ${CMAKE_OBJDUMP} "${objects}" COMMAND_EXPAND_LISTS)
