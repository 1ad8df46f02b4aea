# What the system lacks.
#
# PEEPHOLE_THREADS=OFF: nothing needs threads. Calls run on the calling thread alone, and only one thread
# of the program may use the library at a time.
# PEEPHOLE_FILES=OFF: models are loaded from memory and saved to memory; functions that take a path throw.
#
# To be included when the target peephole exists. Sets
#   PEEPHOLE_THREAD_LIBRARIES       what is linked for threads
#   PEEPHOLE_PLATFORM_DEFINITIONS   for the sources of the library and for what includes private headers
#   PEEPHOLE_LEFT_OUT               a regular expression: the sources that this build leaves out
if(CMAKE_SYSTEM_NAME STREQUAL "WASI")
  set(system_has OFF)
else()
  set(system_has ON)
endif()
option(PEEPHOLE_THREADS "Compute on several threads; OFF: for systems without threads" ${system_has})
option(PEEPHOLE_FILES "Read and write files; OFF: for systems without std::filesystem" ${system_has})

set(PEEPHOLE_THREAD_LIBRARIES "")
set(PEEPHOLE_PLATFORM_DEFINITIONS "")
set(PEEPHOLE_LEFT_OUT "/kernels/isa/")  # see kernels.cmake
if(PEEPHOLE_THREADS)
  find_package(Threads REQUIRED)
  set(PEEPHOLE_THREAD_LIBRARIES Threads::Threads)
  string(APPEND PEEPHOLE_LEFT_OUT "|/runtime/single_thread[.]cpp$")
else()
  list(APPEND PEEPHOLE_PLATFORM_DEFINITIONS PEEPHOLE_SINGLE_THREADED)
  string(APPEND PEEPHOLE_LEFT_OUT "|/runtime/(workers|cpus)[.]cpp$")
endif()
if(PEEPHOLE_FILES)
  string(APPEND PEEPHOLE_LEFT_OUT "|/files/no_files[.]cpp$")
else()
  list(APPEND PEEPHOLE_PLATFORM_DEFINITIONS PEEPHOLE_NO_FILES)
  string(APPEND PEEPHOLE_LEFT_OUT "|/files/(system_file|replace)[.]cpp$")
endif()
target_compile_definitions(peephole PRIVATE ${PEEPHOLE_PLATFORM_DEFINITIONS})
