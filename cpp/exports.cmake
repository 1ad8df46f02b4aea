# What a library or program that contains the core exports: what PEEPHOLE_API of peephole/export.h
# marks; everything else is hidden. Instances of the C++ library's templates are visible all the
# same, so the linker is told, too, where it can be.
#
# To be included after kernels.cmake. Makes
#   peephole_internal               the core as a static library, for tests and for the C library
#   PEEPHOLE_STATIC_LIBS            flags for who links the static library with a C compiler
#   PEEPHOLE_LINKER_EXCLUDES_LIBS   whether the linker can hide what a static library brings
include(CheckLinkerFlag)

if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  # zig has another way from the compiler to the linker than GCC and Clang, and refuses this option.
  check_linker_flag(CXX LINKER:--exclude-libs,ALL PEEPHOLE_LINKER_EXCLUDES_LIBS)
endif()

# peephole_exports(<target> <map>): of a shared library, the symbols that exports/<map>.map lists.
function(peephole_exports target map)
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    set(script ${PROJECT_SOURCE_DIR}/cpp/exports/${map}.map)
    target_link_options(${target} PRIVATE LINKER:--version-script=${script})
    set_target_properties(${target} PROPERTIES LINK_DEPENDS ${script})
  endif()
endfunction()

if(BUILD_SHARED_LIBS)
  target_compile_definitions(peephole PUBLIC PEEPHOLE_SHARED)
  peephole_exports(peephole cpp)
  add_library(peephole_internal STATIC EXCLUDE_FROM_ALL
    $<TARGET_OBJECTS:peephole> ${PEEPHOLE_KERNEL_OBJECTS})
  target_include_directories(peephole_internal PUBLIC
    $<TARGET_PROPERTY:peephole,INTERFACE_INCLUDE_DIRECTORIES>)
  target_compile_definitions(peephole_internal PUBLIC PEEPHOLE_SHARED)
  target_compile_features(peephole_internal PUBLIC cxx_std_17)
  target_link_libraries(peephole_internal PUBLIC ${PEEPHOLE_THREAD_LIBRARIES} ${CMAKE_DL_LIBS})
else()
  add_library(peephole_internal ALIAS peephole)
  set(PEEPHOLE_STATIC_LIBS ${CMAKE_THREAD_LIBS_INIT})
  foreach(library IN LISTS CMAKE_DL_LIBS)
    list(APPEND PEEPHOLE_STATIC_LIBS -l${library})
  endforeach()
  foreach(library IN LISTS CMAKE_CXX_IMPLICIT_LINK_LIBRARIES)
    if(library MATCHES "^(stdc\\+\\+|c\\+\\+|m)$")
      list(APPEND PEEPHOLE_STATIC_LIBS -l${library})
    endif()
  endforeach()
  if(PEEPHOLE_LINKER_EXCLUDES_LIBS)
    # Who links the static library into a shared one does not export it again.
    target_link_options(peephole INTERFACE
      $<BUILD_INTERFACE:LINKER:--exclude-libs,$<TARGET_FILE_NAME:peephole>>
      $<INSTALL_INTERFACE:LINKER:--exclude-libs,$<TARGET_FILE_NAME:peephole::peephole>>)
    list(PREPEND PEEPHOLE_STATIC_LIBS
      -Wl,--exclude-libs,${CMAKE_STATIC_LIBRARY_PREFIX}peephole${CMAKE_STATIC_LIBRARY_SUFFIX})
  endif()
endif()
