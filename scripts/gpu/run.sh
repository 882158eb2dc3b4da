#!/bin/sh
# In the archive's folder: runs run.mjs on the Node of the archive, with the libraries that this host lacks. ./run.sh --help
cd "$(dirname "$0")" || exit
found=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null)
paths=$PWD/lib
rm -rf lib/missing
mkdir -p lib/missing
for file in lib/if-missing/*; do
  case "$found" in
  *"${file##*/} "*) ;;
  *) ln -s "../if-missing/${file##*/}" lib/missing/ && paths=$PWD/lib/missing:$PWD/lib ;;
  esac
done
LD_LIBRARY_PATH=$paths${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
exec ./node scripts/gpu/run.mjs "$@"
