# The port for vcpkg. At a release: the checksum of the archive of the tag, which GitHub makes:
#   curl -L https://github.com/peephole-lstm/peephole/archive/v0.1.0.tar.gz | sha512sum
# With SHA512 0, vcpkg downloads it, prints its checksum, and stops.
vcpkg_from_github(
  OUT_SOURCE_PATH SOURCE_PATH
  REPO peephole-lstm/peephole
  REF "v${VERSION}"
  SHA512 0
  HEAD_REF main
)

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    -DPEEPHOLE_BUILD_PYTHON=OFF
    -DPEEPHOLE_BUILD_TESTS=OFF
    -DPEEPHOLE_BUILD_C_LIBRARY=OFF
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(PACKAGE_NAME peephole CONFIG_PATH lib/cmake/peephole)
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include")
vcpkg_install_copyright(FILE_LIST
  "${SOURCE_PATH}/LICENSE"
  "${SOURCE_PATH}/cpp/src/files/LICENSE-nlohmann-json.txt"
  "${SOURCE_PATH}/cpp/src/reference/LICENSE-eigen.txt"
)
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
