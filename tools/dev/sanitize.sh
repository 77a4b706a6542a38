#!/bin/bash
# Builds with AddressSanitizer and UBSan, in build/sanitize: sanitize.sh all (the unit tests), sanitize.sh fuzz.
set -euo pipefail
cd "$(dirname "$0")/../.."
options=(-G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DWAL2LAKE_SANITIZE=ON)
command -v ccache > /dev/null && options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
cmake -S . -B build/sanitize "${options[@]}"
cmake --build build/sanitize --target "$@" -- -k 0
