find_package(Threads QUIET)  # a build with PEEPHOLE_THREADS=OFF needs none
# The component cpp has peephole::peephole, the component c has peephole::c; both may be installed.
foreach(targets IN ITEMS peephole-targets peephole-c-targets)
  include("${CMAKE_CURRENT_LIST_DIR}/${targets}.cmake" OPTIONAL)
endforeach()

# Projects of C link peephole::c. If only the static library is there, they need the linker of C++.
if(TARGET peephole::peephole)
  get_target_property(peephole_type peephole::peephole TYPE)
  get_property(peephole_languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  if(peephole_type STREQUAL "STATIC_LIBRARY" AND NOT "CXX" IN_LIST peephole_languages)
    enable_language(CXX)
  endif()
  unset(peephole_type)
  unset(peephole_languages)
  if(NOT TARGET peephole::c)
    add_library(peephole::c INTERFACE IMPORTED)
    target_link_libraries(peephole::c INTERFACE peephole::peephole)
  endif()
endif()
