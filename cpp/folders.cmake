# Adds the sources to the target, folder by folder.
#
# With PEEPHOLE_UNITY the files of a folder are one unit: they include the same headers and instantiate the
# same templates. This is not CMake's own UNITY_BUILD, which leaves out files with flags of their own.

# -O2 takes the compiler a fifth less time than -O3, and -Os a third less. These folders hold no loops that
# gain from -O3. Other folders: as CMake has it.
set(PEEPHOLE_FLAGS_files -O2)
set(PEEPHOLE_FLAGS_stack -Os)
set(PEEPHOLE_FLAGS_api -O2)
set(PEEPHOLE_FLAGS_reference -O2)
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=address")
  set(PEEPHOLE_SANITIZER_FLAGS_reference -fno-sanitize-address-use-after-scope)  # Eigen: as for kernels
endif()
# sqrt as an instruction, several at once. Setting errno, which is not used, would need a call.
set(PEEPHOLE_FLAGS_model -fno-math-errno)

# Compiled alone by Clang: where one file of a unit instantiates a class, and others members of it, Clang takes
# the members for instantiated twice.
set(PEEPHOLE_ALONE_api derivatives)
set(PEEPHOLE_ALONE_stack stack)

# peephole_unit(<name> <variable>): the sources in the variable as one unit, if PEEPHOLE_UNITY
function(peephole_unit name variable)
  if(PEEPHOLE_UNITY)
    list(TRANSFORM ${variable} REPLACE "(.+)" "#include \"\\1\"\n" OUTPUT_VARIABLE includes)
    list(JOIN includes "" includes)
    set(unit ${CMAKE_CURRENT_BINARY_DIR}/unity/${name}.cpp)
    file(CONFIGURE OUTPUT ${unit} CONTENT "${includes}" @ONLY)
    set(${variable} ${unit} PARENT_SCOPE)
  endif()
endfunction()

# The C interface is a unit of its own, which the C library compiles again: see c_library.cmake.
file(GLOB c_interface CONFIGURE_DEPENDS src/api/c_*.cpp)
file(GLOB folders RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/src ${CMAKE_CURRENT_SOURCE_DIR}/src/*)
set(released $<AND:$<CONFIG:Release,RelWithDebInfo>,$<CXX_COMPILER_ID:GNU,Clang,AppleClang>>)
foreach(folder IN LISTS folders)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS src/${folder}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "${PEEPHOLE_LEFT_OUT}")
  list(REMOVE_ITEM sources ${c_interface})
  set(alone "")
  if(PEEPHOLE_ALONE_${folder} AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    set(alone ${CMAKE_CURRENT_SOURCE_DIR}/src/${folder}/${PEEPHOLE_ALONE_${folder}}.cpp)
    list(REMOVE_ITEM sources ${alone})
  endif()
  peephole_unit(${folder} sources)
  list(APPEND sources ${alone})
  target_sources(peephole PRIVATE ${sources})
  if(PEEPHOLE_SMALL)
    # Of several levels, the last one counts. Not -Os where a step of a stream passes: GCC then clears and copies
    # small structs by `rep` instructions, which took as long as a step of 16 units.
    if(folder MATCHES "^(stream|compute|kernels)$")
      list(APPEND PEEPHOLE_FLAGS_${folder} -O2)
    else()
      list(APPEND PEEPHOLE_FLAGS_${folder} -Os)
    endif()
  endif()
  peephole_gnu_flags(flags ${PEEPHOLE_FLAGS_${folder}})
  set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS
    "$<${released}:${flags}>;${PEEPHOLE_SANITIZER_FLAGS_${folder}}")
endforeach()
peephole_unit(c_interface c_interface)
target_sources(peephole PRIVATE ${c_interface})
if(PEEPHOLE_SMALL)
  peephole_gnu_flags(flags -Os)
  set_source_files_properties(${c_interface} PROPERTIES COMPILE_OPTIONS "$<${released}:${flags}>")
endif()
if(PEEPHOLE_UNITY)
  # GCC warns if a class has a member whose type is in an anonymous namespace of an included file.
  target_compile_options(peephole PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()
