#!/bin/bash
# Runs the suites of a tier (quick, full or long) and ends with a count line.
# Each suite's output is in build/test/<suite>.log; a failing one is shown.
set -uo pipefail
cd "$(dirname "$0")/../.."
tier=${1:-full}
passed=0 failed=0 skipped=0 suites=0
summary=() names=()
# Suites under way, by name: the process that leads each. None outlives us.
declare -A running=()
trap 'for leader in "${running[@]}"; do kill -INT -- "-$leader" 2> /dev/null; done; wait' EXIT
trap 'exit 130' INT TERM
mkdir -p build/test
python=/usr/bin/python3

# The number before a word in pytest's last line, 0 where it is not there.
said() {
    local number
    number=$(tail -n 1 "$2" | grep -oE "[0-9]+ $1" | cut -d' ' -f1)
    echo "${number:-0}"
}

# Adds what a suite's log says of passed, failed and skipped.
count() {
    local suite=$1 log=$2 status=$3 p=0 f=0 s=0 may_be_empty=""
    case $suite in
    lint)
        p=$(grep -c ' ok$' "$log")
        f=$(grep -c ' FAILED$' "$log")
        ;;
    unit*)
        p=$(grep -cE '^ *[0-9]+/[0-9]+ Test .* Passed' "$log")
        f=$(grep -cE '^ *[0-9]+/[0-9]+ Test .*\*\*\*(Failed|Exception|Timeout|Not Run)' "$log")
        s=$(grep -cE '^ *[0-9]+/[0-9]+ Test .*\*\*\*Skipped' "$log")
        ;;
    fuzz)
        p=$(grep -cE '^[a-z_]+ +ok ' "$log")
        f=$(grep -cE '^[a-z_]+ +FAILED$' "$log")
        ;;
    regress)
        # pg_regress speaks TAP from 16 on.
        p=$(grep -cE '^(test .* ok |ok [0-9]+ )' "$log")
        f=$(grep -cE '^(test .* FAILED |not ok [0-9]+ )' "$log")
        ;;
    valgrind | asan)
        p=$(grep -cE '^[a-z_ ]+ ok ' "$log")
        f=$(grep -cE '^[a-z_ ]+ FAILED ' "$log")
        # As below: AddressSanitizer watches a newer server.
        [ "$status" -ne 77 ] || status=0 s=1 may_be_empty=yes
        ;;
    postgresql-18)
        read -r p f s < <(awk -F'|' '/^18[^|]*\|/ { p += $3; f += $4; s += $5 } END { print p + 0, f + 0, s + 0 }' "$log")
        # The one suite whose server may be out of reach; it has said so.
        [ "$status" -ne 77 ] || status=0 s=1 may_be_empty=yes
        ;;
    end-to-end | waiting)
        p=$(said passed "$log")
        f=$(($(said failed "$log") + $(said 'errors?' "$log")))
        s=$(said skipped "$log")
        ;;
    esac
    # A suite that ended badly without naming a test, or that ran none, has failed.
    if [ "$f" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$p$may_be_empty" = 0 ]; }; then
        f=1
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    counted="$p passed, $f failed, $s skipped"
    suite_failed=$f
}

# The names of the tests that failed, as they stand in a suite's log.
failures() {
    case $1 in
    unit*) sed -nE 's/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: ([^ ]+) .*\*\*\*(Failed|Exception|Timeout|Not Run).*/\1/p' "$2" ;;
    regress) sed -nE 's/^test ([^ ]+) .* FAILED .*/\1/p; s/^not ok [0-9]+ +[-+] ([^ ]+).*/\1/p' "$2" ;;
    end-to-end | waiting) sed -nE 's/^(FAILED|ERROR) ([^ ]+).*/\2/p' "$2" ;;
    *) sed -nE 's/ +FAILED.*//p' "$2" ;;
    esac
}

# Runs a suite to its end.
suite() {
    launch "$@"
    finish "$1"
}

# Begins a suite in a process group of its own; finish waits for it, counts and shows it.
launch() {
    local name=$1
    shift
    suites=$((suites + 1))
    printf '%-16s running\n' "$name"
    rm -f "build/test/$name.end"
    set -m
    (
        began=$SECONDS status=0
        "$@" > "build/test/$name.log" 2>&1 || status=$?
        echo "$status $((SECONDS - began))" > "build/test/$name.end"
    ) < /dev/null &
    running[$name]=$!
    set +m
}

# A suite whose shell did not live to write down how it ended has failed.
finish() {
    local name=$1 log=build/test/$1.log status=1 took=0
    suite_failed=1
    wait "${running[$name]}"
    unset "running[$name]"
    [ ! -f "build/test/$name.end" ] || read -r status took < "build/test/$name.end"
    count "$name" "$log" "$status"
    [ "$suite_failed" -eq 0 ] || {
        echo "---- $log"; tail -n 120 "$log"; echo "----"
        mapfile -t -O ${#names[@]} names < <(failures "$name" "$log" | sed "s/^/$name: /")
    }
    grep -iE '^SKIPPED|\bskipped: ' "$log" | head -n 20
    summary+=("$(printf '%-16s %4d s   %s' "$name" "$took" "$counted")")
}

# The quick tier needs no second build; the others run the unit tests under the sanitizers as well.
unit_plain() {
    cmake --build build/release -- -k 0 && ctest --test-dir build/release -j2 --timeout 300
}
# Works while the tests from end to end wait, and gives way to them: some measure time.
unit_sanitized() {
    renice -n 19 -p "$BASHPID" > /dev/null
    tools/dev/sanitize.sh all > build/test/sanitize-build.log 2>&1 || { tail -n 40 build/test/sanitize-build.log; return 1; }
    ctest --test-dir build/sanitize -j2 --timeout 900
}
# A newer server, for what most often differs; `make test-matrix` has the rest.
postgresql_18() {
    tools/dev/deps.sh matrix && $python tools/dev/matrix.py --short 18
}
# Slow and patient: they give way, too.
valgrind() {
    renice -n 19 -p "$BASHPID" > /dev/null
    tools/dev/deps.sh valgrind && $python tools/dev/memory_check.py valgrind
}
asan() {
    renice -n 19 -p "$BASHPID" > /dev/null
    tools/dev/deps.sh matrix && $python tools/dev/memory_check.py asan
}
fuzz() {
    FUZZ_SECONDS=$([ "$tier" = long ] && echo 30 || echo 3) tools/dev/fuzz.sh short
}
end_to_end() {
    $python -m pytest "$@" -q -rsfE -p no:cacheprovider --durations=15
}

# They wait most of their time, for what hangs, is away or was killed: time in which the others work. As many as
# make both end at about the same time in each tier.
waiting=(regress/t/test_s3_faults.py regress/t/test_service.py regress/t/test_hanging_store.py regress/t/test_s3_secrets.py
    regress/t/test_exactly_once.py regress/t/test_s3_exactly_once.py regress/t/test_two_forwarders.py
    regress/t/test_cloud_stores.py)
began=$SECONDS
[ "$tier" = long ] && export WAL2LAKE_LONG=1
suite lint tools/dev/lint.sh
suite unit unit_plain
suite regress tools/dev/regress.sh
if [ "$tier" != quick ]; then
    launch fuzz fuzz
    suite postgresql-18 postgresql_18
    finish fuzz
    [ "$tier" != long ] || { launch valgrind valgrind; launch asan asan; }
    launch unit-sanitized unit_sanitized
    launch waiting end_to_end "${waiting[@]}"
    suite end-to-end end_to_end regress/t "${waiting[@]/#/--ignore=}"
    [ "$tier" != long ] || { finish valgrind; finish asan; }
    finish waiting
    finish unit-sanitized
fi

# A suite that could not be counted has no line: it has failed.
failed=$((failed + suites - ${#summary[@]}))
echo
printf '%s\n' "${summary[@]}"
printf '%-16s %4d s\n' "all" $((SECONDS - began))
# Last, so that whoever sees only the end of a log knows what to look at.
[ ${#names[@]} -eq 0 ] || printf 'failed: %s\n' "${names[@]}"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
