# find_package(peephole CONFIG REQUIRED), then target_link_libraries(app PRIVATE peephole::peephole);
# or pkg-config peephole. A wheel has all of it within the Python package.
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/peephole)
install(TARGETS peephole EXPORT peephole-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT cpp
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT cpp
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT cpp)
install(DIRECTORY include/peephole DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT cpp)
install(FILES ${version_header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/peephole COMPONENT cpp)
install(EXPORT peephole-targets NAMESPACE peephole:: DESTINATION ${package_dir} COMPONENT cpp)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(peephole-config-version.cmake COMPATIBILITY SameMinorVersion)
set(package_files ${PROJECT_SOURCE_DIR}/cmake/peephole-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/peephole-config-version.cmake)
install(FILES ${package_files} DESTINATION ${package_dir} COMPONENT cpp)

# LICENSE and those of the libraries that binaries contain parts of.
function(peephole_install_licences component)
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE
      ${PROJECT_SOURCE_DIR}/cpp/src/reference/LICENSE-eigen.txt
      ${PROJECT_SOURCE_DIR}/cpp/src/files/LICENSE-nlohmann-json.txt
    DESTINATION ${CMAKE_INSTALL_DATADIR}/licenses/peephole COMPONENT ${component})
endfunction()
peephole_install_licences(cpp)

include(pkg_config.cmake)
