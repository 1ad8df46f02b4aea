# Adds the sources to the target, folder by folder.
#
# With PEEPHOLE_UNITY the files of a folder are one unit: they include the same headers and instantiate the
# same templates. This is not CMake's own UNITY_BUILD, which leaves out files with flags of their own.

# Where no values are computed, optimising for size takes the compiler a third less time than -O3; where
# Eigen's templates are all that is computed, -O2 takes a fifth less. Other folders: as CMake has it.
set(PEEPHOLE_FLAGS_files -Os)
set(PEEPHOLE_FLAGS_stack -Os)
set(PEEPHOLE_FLAGS_api -O2)
set(PEEPHOLE_FLAGS_reference -O2)
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=address")
  set(PEEPHOLE_SANITIZER_FLAGS_reference -fno-sanitize-address-use-after-scope)  # Eigen: as for kernels
endif()
# sqrt as an instruction, several at once. Setting errno, which is not used, would need a call.
set(PEEPHOLE_FLAGS_model -fno-math-errno)

file(GLOB folders RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/src ${CMAKE_CURRENT_SOURCE_DIR}/src/*)
foreach(folder IN LISTS folders)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS src/${folder}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/kernels/isa/")  # see kernels.cmake
  if(PEEPHOLE_UNITY)
    list(TRANSFORM sources REPLACE "(.+)" "#include \"\\1\"\n" OUTPUT_VARIABLE includes)
    list(JOIN includes "" includes)
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/unity/${folder}.cpp)
    file(CONFIGURE OUTPUT ${sources} CONTENT "${includes}" @ONLY)
  endif()
  target_sources(peephole PRIVATE ${sources})
  set(released $<AND:$<CONFIG:Release,RelWithDebInfo>,$<CXX_COMPILER_ID:GNU,Clang,AppleClang>>)
  set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS
    "$<${released}:${PEEPHOLE_FLAGS_${folder}}>;${PEEPHOLE_SANITIZER_FLAGS_${folder}}")
endforeach()
if(PEEPHOLE_UNITY)
  # GCC warns if a class has a member whose type is in an anonymous namespace of an included file.
  target_compile_options(peephole PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()
