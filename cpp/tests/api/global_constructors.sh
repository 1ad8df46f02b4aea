#!/bin/sh
# No file of the library has code that runs before main(): a model may be loaded from a global
# constructor, when the library's own might not have run yet.
#   global_constructors.sh NM LIBRARY
found=$("$1" "$2" 2>/dev/null | grep -c '_GLOBAL__sub_I')
symbols=$("$1" "$2" 2>/dev/null | wc -l)
[ "$symbols" -gt 100 ] || { echo "no symbols in $2"; exit 1; }
[ "$found" -eq 0 ] || { echo "$found files have global constructors"; exit 1; }
