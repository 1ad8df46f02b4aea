# pkg-config files. They find the rest from where they lie, so that an installed tree may be moved.

# peephole_pkg_config(<library> <component> <flags>): <library>.pc, with more flags for the compiler
# and for the linker.
function(peephole_pkg_config name component flags)
  set(libs ${ARGN})
  list(JOIN libs " " libs)
  file(RELATIVE_PATH include_from_pc
    ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_FULL_INCLUDEDIR})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/peephole.pc.in ${name}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT ${component})
endfunction()

if(BUILD_SHARED_LIBS)
  peephole_pkg_config(peephole cpp "-DPEEPHOLE_SHARED")
else()
  peephole_pkg_config(peephole cpp "" ${PEEPHOLE_STATIC_LIBS})
endif()
