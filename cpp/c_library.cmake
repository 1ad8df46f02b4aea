# peephole::c, what projects of C link.
if(NOT PEEPHOLE_BUILD_C_LIBRARY)
  # The core's library and what it needs, as files: a target of C++ would need the language CXX.
  add_library(peephole_c INTERFACE)
  add_library(peephole::c ALIAS peephole_c)
  target_include_directories(peephole_c INTERFACE
    ${CMAKE_CURRENT_SOURCE_DIR}/include ${CMAKE_CURRENT_BINARY_DIR}/include)
  target_link_libraries(peephole_c INTERFACE $<TARGET_FILE:peephole> ${PEEPHOLE_STATIC_LIBS})
  add_dependencies(peephole_c peephole)
  return()
endif()

# libpeephole_c: the C interface alone as a shared library, for C and for languages that call C. Its
# component `c` installs it with the C headers; pkg-config calls it peephole_c.
#
# The C interface is compiled again, to be exported; the rest comes from the core's static library.
add_library(peephole_c SHARED ${c_interface})
add_library(peephole::c ALIAS peephole_c)
peephole_warnings(peephole_c)
target_compile_definitions(peephole_c PRIVATE PEEPHOLE_SHARED
  ${PEEPHOLE_PLATFORM_DEFINITIONS})
target_include_directories(peephole_c
  INTERFACE
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
    $<BUILD_INTERFACE:${CMAKE_CURRENT_BINARY_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
  PRIVATE src)
target_link_libraries(peephole_c PRIVATE $<BUILD_INTERFACE:peephole_internal>)
peephole_exports(peephole_c c)
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  target_link_options(peephole_c PRIVATE LINKER:--gc-sections)  # no training
endif()
set_target_properties(peephole_c PROPERTIES
  EXPORT_NAME c
  WINDOWS_EXPORT_ALL_SYMBOLS ON
  CXX_EXTENSIONS OFF
  CXX_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})

if(NOT PEEPHOLE_INSTALL)
  return()
endif()
install(TARGETS peephole_c EXPORT peephole-c-targets COMPONENT c
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY include/peephole DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT c
  FILES_MATCHING PATTERN "*.h")
install(FILES ${version_header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/peephole COMPONENT c)
install(EXPORT peephole-c-targets NAMESPACE peephole:: DESTINATION ${package_dir} COMPONENT c)
install(FILES ${package_files} DESTINATION ${package_dir} COMPONENT c)
peephole_install_licences(c)
peephole_pkg_config(peephole_c c "")
