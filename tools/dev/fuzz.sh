#!/bin/bash
# Builds the fuzz targets of regress/fuzz and runs each, one line a target. Fails
# for one that breaks a promise, and names the input.
#
#   fuzz.sh          FUZZ_SECONDS each (60), with the corpus in build/fuzz/corpus
#   fuzz.sh short    the seeds, then FUZZ_SECONDS each (3) from them alone
#
# FUZZ_TARGETS="label config" runs only those.
set -uo pipefail
cd "$(dirname "$0")/../.."
mode=${1:-long}
build=build/fuzz
found=$build/found
targets=${FUZZ_TARGETS:-$(basename -a -s _fuzz.cpp regress/fuzz/*_fuzz.cpp)}
[ "$mode" = short ] && seconds=${FUZZ_SECONDS:-3} || seconds=${FUZZ_SECONDS:-60}
mkdir -p "$build" "$found"

if ! tools/dev/sanitize.sh fuzz > "$build/build.log" 2>&1; then
    tail -n 40 "$build/build.log"
    echo "the fuzz targets could not be built"
    exit 1
fi

# One target: its seeds, then whatever libFuzzer makes of them.
run() {
    local target=$1 binary=build/sanitize/regress/fuzz/fuzz_$1 seeds=regress/fuzz/seeds/$1 log=$build/$1.log
    local options=(-artifact_prefix="$found/$target-" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1)
    local corpus=$build/corpus/$target
    if [ "$mode" = short ]; then
        options+=(-seed=1)
        corpus=$build/short/$target
        rm -rf "$corpus"
    fi
    [ -f "regress/fuzz/dictionaries/$target.dict" ] && options+=(-dict="regress/fuzz/dictionaries/$target.dict")
    mkdir -p "$corpus"
    if ! "$binary" "${options[@]}" -runs=0 "$seeds" > "$log" 2>&1 ||
        ! "$binary" "${options[@]}" -max_total_time="$seconds" "$corpus" "$seeds" >> "$log" 2>&1; then
        printf '%-22s FAILED\n' "$target"
        grep -E 'broken:|runtime error:|^==.*ERROR:|^SUMMARY:|Test unit written to' "$log" | head -n 6
        return 1
    fi
    printf '%-22s ok   %9s executions, %5s new inputs, %5s edges\n' "$target" \
        "$(grep -oP '(?<=stat::number_of_executed_units: ).*' "$log" | tail -n 1 | tr -d ' ')" \
        "$(grep -oP '(?<=stat::new_units_added: ).*' "$log" | tail -n 1 | tr -d ' ')" \
        "$(grep -oP '(?<=cov: )[0-9]+' "$log" | tail -n 1)"
}

# As many at a time as there are processors: each has one thread.
export -f run
export mode build found seconds
xargs -n 1 -P "$(nproc)" bash -c 'run "$1"' run <<< "$targets"
