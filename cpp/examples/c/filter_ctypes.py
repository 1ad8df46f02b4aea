"""Runs a model of one input and one output over numbers, by the C library and ctypes.

    python filter_ctypes.py libpeephole_c.so MODEL < in.txt > out.txt

It needs neither the package nor NumPy.
"""

import ctypes
import os
import sys

MODEL = ctypes.c_void_p
FLOATS = ctypes.POINTER(ctypes.c_float)


def open_library(path):
    """The C library, with the types of the functions that are used here."""
    library = ctypes.CDLL(path)
    library.peephole_error.restype = ctypes.c_char_p
    library.peephole_load.argtypes = [ctypes.c_char_p, ctypes.POINTER(MODEL)]
    library.peephole_metadata.argtypes = [MODEL, ctypes.c_char_p]
    library.peephole_metadata.restype = ctypes.c_char_p
    library.peephole_process.argtypes = [MODEL, FLOATS, FLOATS, ctypes.c_size_t]
    library.peephole_free.argtypes = [MODEL]
    library.peephole_free.restype = None
    for name in ("input_size", "output_size"):
        function = getattr(library, f"peephole_{name}")
        function.argtypes, function.restype = [MODEL], ctypes.c_size_t
    return library


def main():
    """Reads numbers from stdin and writes the model's outputs to stdout."""
    library = open_library(sys.argv[1])

    def check(status):
        if status != 0:
            sys.exit(library.peephole_error().decode())

    model = MODEL()
    check(library.peephole_load(os.fsencode(sys.argv[2]), ctypes.byref(model)))
    if (library.peephole_input_size(model), library.peephole_output_size(model)) != (1, 1):
        sys.exit(f"{sys.argv[2]}: expected a model of one input and one output")
    name = library.peephole_metadata(model, b"name")
    print("name:", name.decode() if name is not None else "none", file=sys.stderr)

    values = [float(text) for text in sys.stdin.read().split()]
    x, y = (ctypes.c_float * len(values))(*values), (ctypes.c_float * len(values))()
    check(library.peephole_process(model, x, y, len(values)))
    for value in y:
        print(f"{value:.9g}")
    library.peephole_free(model)


if __name__ == "__main__":
    main()
