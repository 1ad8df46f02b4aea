# Tests of the kernels, which are internal to the library: they link `target`, which must show its
# symbols (a static or object library), and see its private headers.

function(peephole_kernel_tests target)
  set(dir ${CMAKE_CURRENT_FUNCTION_LIST_DIR})
  set(activations ${dir}/kernels_activations_baseline.cpp)
  if(PEEPHOLE_KERNEL_DEFINITIONS)
    list(APPEND activations ${dir}/kernels_activations_avx2.cpp ${dir}/kernels_activations_avx512.cpp)
  endif()
  foreach(source IN LISTS activations)
    string(REGEX REPLACE ".*_([a-z0-9]+)\\.cpp" "\\1" isa ${source})
    set_source_files_properties(${source} PROPERTIES
      COMPILE_OPTIONS "${PEEPHOLE_KERNEL_FLAGS_${isa}}")
  endforeach()
  foreach(name IN ITEMS kernels_isa kernels_activations kernels_forward kernels_backward)
    add_executable(${name} ${dir}/${name}.cpp)
    target_link_libraries(${name} PRIVATE ${target} Threads::Threads)
    target_include_directories(${name} PRIVATE ${dir} ${dir}/../src ${dir}/../include)
    target_compile_definitions(${name} PRIVATE ${PEEPHOLE_KERNEL_DEFINITIONS})
    target_compile_features(${name} PRIVATE cxx_std_17)
    peephole_warnings(${name})
    add_test(NAME ${name} COMMAND ${name})
  endforeach()
  target_sources(kernels_activations PRIVATE ${activations})
endfunction()

# Proves that the objects of `target`, of which those of instruction sets are looked at, share no
# symbol, and that the baseline ones hold no AVX.
function(peephole_kernel_symbols_test target)
  set(objects "$<FILTER:$<TARGET_OBJECTS:${target}>,INCLUDE,_(baseline|avx2|avx512)[.]>")
  add_test(NAME kernels_symbols COMMAND sh ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/kernels_symbols.sh
    ${CMAKE_NM} ${CMAKE_OBJDUMP} "${objects}" COMMAND_EXPAND_LISTS)
endfunction()
