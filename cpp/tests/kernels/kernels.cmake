# The activation functions are tested as each instruction set compiles them: one file for each set.
foreach(set IN LISTS PEEPHOLE_INSTRUCTION_SETS)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/kernels/activations_${set}.cpp)
  configure_file(kernels/activations.cpp.in ${source} @ONLY)
  set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${PEEPHOLE_KERNEL_FLAGS_${set}}")
  target_sources(kernels_activations_test PRIVATE ${source})
endforeach()

# Objects of different instruction sets share no symbol, and the baseline ones hold no AVX.
if(UNIX)
  add_test(NAME kernels_symbols COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/kernels/symbols.sh
    ${CMAKE_NM} ${CMAKE_OBJDUMP} "${PEEPHOLE_KERNEL_OBJECTS}" COMMAND_EXPAND_LISTS)
endif()
