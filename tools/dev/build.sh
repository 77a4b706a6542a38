#!/bin/bash
# Builds the plugin and the command and installs the plugin into the server of
# PG_CONFIG: what the tests and the demo stand on. Prints one line a step.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p build
log=build/build.log
sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo)

step() {
    local title=$1 began=$SECONDS
    shift
    printf '%-46s' "$title"
    if ! "$@" > "$log" 2>&1; then
        echo "failed"
        tail -n 40 "$log"
        exit 1
    fi
    echo "$((SECONDS - began)) s"
}

jobs=$(nproc)
step "building the plugin (PGXS)" make -j"$jobs" all WERROR=1
step "installing it into the server" "${sudo[@]}" make install WERROR=1
step "building the command (CMake)" make command
