# nlohmann-json 3.11 or later, which only the core's own sources include: the headers of model files.
# From 3.11 on its names carry its version, so that an application may use another one beside.
#
# CMAKE_PREFIX_PATH, nlohmann_json_ROOT and the system come first, then the PyPI package nlohmann-json
# of the Python in use (that is where an isolated wheel build has it), which has no CMake files.
function(peephole_find_nlohmann_json)
  if(TARGET nlohmann_json::nlohmann_json)
    message(STATUS
      "nlohmann-json: the target nlohmann_json::nlohmann_json of the project around peephole")
    return()
  endif()
  find_package(nlohmann_json 3.11 CONFIG QUIET GLOBAL)
  if(nlohmann_json_FOUND)
    message(STATUS "nlohmann-json ${nlohmann_json_VERSION}: ${nlohmann_json_DIR}")
    return()
  endif()
  find_package(Python QUIET COMPONENTS Interpreter)
  if(Python_Interpreter_FOUND)
    execute_process(
      COMMAND "${Python_EXECUTABLE}" -c
        "import importlib.metadata as m; print(m.distribution('nlohmann-json').locate_file('nlohmann_json/include'))"
      OUTPUT_VARIABLE include_dir OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  if(NOT EXISTS "${include_dir}/nlohmann/json.hpp")
    message(FATAL_ERROR "nlohmann-json 3.11 or later not found: install it (Debian: nlohmann-json3-dev, "
      "pip: nlohmann-json) or point nlohmann_json_ROOT at it")
  endif()
  add_library(nlohmann_json::nlohmann_json INTERFACE IMPORTED GLOBAL)
  target_include_directories(nlohmann_json::nlohmann_json INTERFACE "${include_dir}")
  message(STATUS "nlohmann-json: ${include_dir}")
endfunction()

peephole_find_nlohmann_json()
