#!/bin/sh
# Objects of different instruction sets must not stand in for each other's code: the linker keeps one
# of several equal weak symbols, and a baseline processor would then run into AVX.
#
#   kernels_symbols.sh NM OBJDUMP OBJECT...      objects named *_baseline.*, *_avx2.*, *_avx512.*
set -eu
nm=$1 objdump=$2
shift 2
failed=0

for object in "$@"; do
  # A, B, C, D, R, T: global; V, W, u: weak or unique. Tables of kernels are all that is exported.
  exported=$("$nm" --defined-only "$object" | awk '$2 ~ /^[ABCDRTVWu]$/ && $3 !~ /(forward|backward|step)_(baseline|avx2|avx512)E?$/ { print $3 }')
  if [ -n "$exported" ]; then
    echo "$object exports: $exported"
    failed=1
  fi
  case $object in
    *_baseline.*)
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
