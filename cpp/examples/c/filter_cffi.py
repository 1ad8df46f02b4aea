"""Runs a model of one input and one output over numbers, by the C library and cffi.

    python filter_cffi.py INCLUDE libpeephole_c.so MODEL < in.txt > out.txt

INCLUDE is the folder of peephole/peephole.h. The C compiler's preprocessor reads it, and cffi takes
what comes out as it is.
"""

import os
import subprocess
import sys

import cffi


def open_library(include, path):
    """The C library, and the ffi that it was declared with: (ffi, library)."""
    header = os.path.join(include, "peephole", "peephole.h")  # noqa: PTH118
    command = [os.environ.get("CC", "cc"), "-E", "-P", "-I", include, header]
    ffi = cffi.FFI()
    ffi.cdef(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return ffi, ffi.dlopen(path)


def main():
    """Reads numbers from stdin and writes the model's outputs to stdout."""
    include, path, file = sys.argv[1:]
    ffi, library = open_library(include, path)

    def check(status):
        if status != library.PEEPHOLE_OK:
            sys.exit(ffi.string(library.peephole_error()).decode())

    pointer = ffi.new("peephole_model**")
    check(library.peephole_load(os.fsencode(file), pointer))
    model = ffi.gc(pointer[0], library.peephole_free)
    if (library.peephole_input_size(model), library.peephole_output_size(model)) != (1, 1):
        sys.exit(f"{file}: expected a model of one input and one output")
    name = library.peephole_metadata(model, b"name")
    print("name:", ffi.string(name).decode() if name else "none", file=sys.stderr)

    values = [float(text) for text in sys.stdin.read().split()]
    x, y = ffi.new("float[]", values), ffi.new("float[]", len(values))
    check(library.peephole_process(model, x, y, len(values)))
    for value in y:
        print(f"{value:.9g}")


if __name__ == "__main__":
    main()
