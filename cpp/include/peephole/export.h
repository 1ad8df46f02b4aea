#ifndef PEEPHOLE_EXPORT_H
#define PEEPHOLE_EXPORT_H

/* PEEPHOLE_API marks what the shared library exports; everything else in it is hidden. CMake and
 * pkg-config define PEEPHOLE_SHARED for the shared library and for the programs that link it. The
 * static library exports nothing: a plugin that contains it exports its own functions alone.
 * PEEPHOLE_HIDDEN marks what is internal within a class that is exported. */
#if defined(PEEPHOLE_SHARED) && defined(__GNUC__) && !defined(_WIN32)
#define PEEPHOLE_API __attribute__((visibility("default")))
#define PEEPHOLE_HIDDEN __attribute__((visibility("hidden")))
#else
#define PEEPHOLE_API
#define PEEPHOLE_HIDDEN
#endif

#endif
