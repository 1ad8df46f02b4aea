# Eigen 3.4 or later, which only the core's own sources include.
#
# CMAKE_PREFIX_PATH and Eigen3_ROOT come first, then the PyPI package cmeel-eigen of the Python in use
# (that is where an isolated wheel build has it), then the system. The version is compared here, since
# a version given to find_package() would refuse either 3.4 or 5. A project around this one may define
# Eigen3::Eigen before: then it is used.
function(peephole_find_eigen)
  if(TARGET Eigen3::Eigen)
    message(STATUS "Eigen: the target Eigen3::Eigen of the project around peephole")
    return()
  endif()
  find_package(Python QUIET COMPONENTS Interpreter)
  if(Python_Interpreter_FOUND)
    execute_process(
      COMMAND "${Python_EXECUTABLE}" -c
        "import importlib.metadata as m; print(m.distribution('cmeel-eigen').locate_file('cmeel.prefix'))"
      OUTPUT_VARIABLE cmeel_prefix OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  find_package(Eigen3 CONFIG QUIET HINTS "${cmeel_prefix}")
  if(NOT Eigen3_FOUND)
    message(FATAL_ERROR "Eigen 3.4 or later not found: install it (Debian: libeigen3-dev, pip: "
      "cmeel-eigen) or point Eigen3_ROOT at it")
  elseif(Eigen3_VERSION VERSION_LESS 3.4)
    message(FATAL_ERROR "Eigen 3.4 or later needed, found ${Eigen3_VERSION} in ${Eigen3_DIR}")
  endif()
  message(STATUS "Eigen ${Eigen3_VERSION}: ${Eigen3_DIR}")
endfunction()

peephole_find_eigen()
