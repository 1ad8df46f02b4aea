#!/bin/sh
# Objects of different instruction sets must not share functions: of several equal weak symbols the
# linker keeps one, and a baseline processor might then run AVX code.
#
#   symbols.sh NM OBJDUMP OBJECT...      objects named baseline.*, avx2.*, ...
set -eu
nm=$1 objdump=$2
shift 2
failed=0

for object in "$@"; do
  # A, B, C, D, R, T: global; V, W, u: weak or unique. Tables of kernels are all that is exported.
  exported=$("$nm" --defined-only "$object" | awk '$2 ~ /^[ABCDRTVWu]$/ && $3 !~ /(forward|backward|step|head|quantized)_[a-z0-9_]+E?$/ { print $3 }')
  if [ -n "$exported" ]; then
    echo "$object exports: $exported"
    failed=1
  fi
  case $object:$("$objdump" -f "$object") in
    */baseline.*:*x86-64*)
      # Every AVX instruction's name begins with v; of the others, only verr, verw and VMX's do.
      avx=$("$objdump" -d --no-show-raw-insn "$object" | awk -F'\t' '$2 ~ /^v/ || /%[yz]mm/' | head -n 3)
      if [ -n "$avx" ]; then
        echo "$object holds AVX: $avx"
        failed=1
      fi
      ;;
  esac
done
exit $failed
