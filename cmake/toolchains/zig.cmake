# Cross builds by zig, which is a C++ compiler with the libraries of many targets. The PyPI package ziglang
# has it: pip install ziglang.
#
#   cmake --toolchain cmake/toolchains/zig.cmake -D PEEPHOLE_ZIG_TARGET=aarch64-linux-musl ...
#
# PEEPHOLE_ZIG_TARGET   what zig calls the target, such as x86_64-linux-musl or wasm32-wasi
# PEEPHOLE_ZIG          the program zig; otherwise that of PATH, or of ziglang of the Python in PATH
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PEEPHOLE_ZIG_TARGET PEEPHOLE_ZIG)
if(NOT PEEPHOLE_ZIG)
  find_program(PEEPHOLE_ZIG NAMES zig python-zig NO_CMAKE_FIND_ROOT_PATH)
endif()
if(NOT PEEPHOLE_ZIG)
  message(FATAL_ERROR "zig not found: pip install ziglang, or set PEEPHOLE_ZIG")
endif()
if(NOT PEEPHOLE_ZIG_TARGET MATCHES "^([a-z0-9_]+)-([a-z]+)(-[a-z0-9.]+)?$")
  message(FATAL_ERROR "PEEPHOLE_ZIG_TARGET: expected such as aarch64-linux-musl, got "
    "${PEEPHOLE_ZIG_TARGET}")
endif()
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_MATCH_1})
set(system ${CMAKE_MATCH_2})
if(system STREQUAL "linux")
  set(CMAKE_SYSTEM_NAME Linux)
elseif(system STREQUAL "windows")
  set(CMAKE_SYSTEM_NAME Windows)
elseif(system STREQUAL "macos")
  set(CMAKE_SYSTEM_NAME Darwin)
  set(CMAKE_OSX_SYSROOT "")  # zig has its own
  # zig links no bundles, for which CMake asks when it makes a module. dlopen() takes a library as well.
  set(CMAKE_MODULE_LINKER_FLAGS_INIT "-dynamiclib")
  # CMake asks for this program when a second language is enabled, and zig has none. Only
  # `cmake --install` runs it, so that a build needs no more than the name.
  find_program(CMAKE_INSTALL_NAME_TOOL NAMES install_name_tool llvm-install-name-tool
    NO_CMAKE_FIND_ROOT_PATH)
  if(NOT CMAKE_INSTALL_NAME_TOOL)
    set(CMAKE_INSTALL_NAME_TOOL install_name_tool CACHE FILEPATH "" FORCE)
  endif()
elseif(system STREQUAL "wasi")
  set(CMAKE_SYSTEM_NAME WASI)
else()
  message(FATAL_ERROR "PEEPHOLE_ZIG_TARGET: expected linux, windows, macos or wasi, got ${system}")
endif()

# Its UndefinedBehaviorSanitizer is off by default in optimised builds only.
set(command_C cc)
set(command_CXX c++)
foreach(language IN ITEMS C CXX)
  set(CMAKE_${language}_COMPILER ${PEEPHOLE_ZIG} ${command_${language}} -target ${PEEPHOLE_ZIG_TARGET}
    -fno-sanitize=undefined)
  # zig's archiver and its index are subcommands.
  set(CMAKE_${language}_ARCHIVE_CREATE "\"${PEEPHOLE_ZIG}\" ar qc <TARGET> <LINK_FLAGS> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_APPEND "\"${PEEPHOLE_ZIG}\" ar q <TARGET> <LINK_FLAGS> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_FINISH "\"${PEEPHOLE_ZIG}\" ranlib <TARGET>")
endforeach()

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
