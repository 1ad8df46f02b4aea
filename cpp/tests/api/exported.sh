#!/bin/sh
# A library exports the functions that are meant to be, and nothing else.
#   exported.sh NM LIBRARY NAME [PREFIX]     NAME is exported, and all names are NAME or begin so
nm=$1 library=$2 name=$3 prefix=${4:-$3}
names=$("$nm" -D --defined-only "$library" | awk '{ print $3 }')
echo "$names" | grep -qx "$name" || { echo "$library does not export $name"; exit 1; }
others=$(echo "$names" | grep -v "^$prefix")
[ -z "$others" ] || { echo "$library also exports:"; echo "$others" | head; exit 1; }
