#!/bin/bash
# Runs pg_regress and pg_isolation_regress against temporary servers: `make installcheck`.
#
#     tools/dev/regress.sh [--sql | --isolation] [TEST ...]     default: both, by their schedules; names are of --sql
#
# WAL2LAKE_SERVER_UNDER is a command that the server is started with, such as valgrind.
# The plugin must be installed. initdb refuses root, and the ordinary user it
# drops to may not be able to read the checkout, so everything runs in a copy.
set -euo pipefail
cd "$(dirname "$0")/../.."
pg_config=${PG_CONFIG:-pg_config}
bindir=$($pg_config --bindir)
harness=$(dirname "$($pg_config --pgxs)")/../../src/test
suites="sql isolation"
[ $# -eq 0 ] || suites=sql
case ${1:-} in --sql | --isolation) suites=${1#--} && shift ;; esac

work=$(mktemp -d /tmp/wal2lake-regress.XXXXXX)
run=()
if [ "$(id -u)" -eq 0 ]; then
    user=nobody
    id postgres >/dev/null 2>&1 && user=postgres
    run=(runuser -u "$user" --)
fi
cleanup() { rm -rf "$work"; }
trap cleanup EXIT

mkdir "$work/regress"
cp -r regress/sql regress/specs regress/expected regress/schedule regress/isolation_schedule "$work/regress/"
# A key that everybody knows, so that expected output can show tokens.
printf '# keys of the regression tests\nk2026 %s\n' "$(printf 'wal2lake regression test key 01!' | base64)" > "$work/keys"
chmod 0600 "$work/keys"

cat > "$work/server.conf" <<CONF
wal_level = logical
max_replication_slots = 8
max_wal_senders = 8
max_prepared_transactions = 4
shared_preload_libraries = 'wal2lake_policy'
wal2lake.key_file = '$work/keys'
wal2lake.admin_role = 'wal2lake_admin'
wal2lake.message_prefixes = 'app, "with, comma", app.long'
log_min_messages = debug1
autovacuum_naptime = '1d'
fsync = off
CONF
# Servers that do not know the allow-list refuse to start with it.
if "$bindir/postgres" --describe-config | grep '^output_plugin_libraries' > /dev/null; then
    echo "output_plugin_libraries = 'wal2lake, test_decoding'" >> "$work/server.conf"
fi
# pg_regress takes the server from where the other programs are; initdb finds its own.
programs=$bindir
if [ -n "${WAL2LAKE_SERVER_UNDER:-}" ]; then
    programs=$work/bin
    mkdir "$programs"
    ln -s "$bindir"/* "$programs/"
    rm "$programs/postgres"
    printf '#!/bin/sh\nexec %s %s/postgres "$@"\n' "$WAL2LAKE_SERVER_UNDER" "$bindir" > "$programs/postgres"
    chmod 0755 "$programs/postgres"
    export PGCTLTIMEOUT=180
fi
chmod 0755 "$work"
[ ${#run[@]} -eq 0 ] || chown -R "$user" "$work"

# Kept for whoever wants to accept new output, and for the log search of the leak test.
mkdir -p build/regress
rm -rf build/regress/*
status=0
for suite in $suites; do
    program=$harness/regress/pg_regress schedule=schedule
    [ "$suite" = sql ] || program=$harness/isolation/pg_isolation_regress schedule=isolation_schedule
    arguments=(--schedule="$work/regress/$schedule")
    [ $# -eq 0 ] || arguments=("$@")
    out=$work/$suite
    "${run[@]}" mkdir "$out"
    failed=0
    (cd "$out" && "${run[@]}" "$program" --bindir="$programs" --temp-instance="$out/instance" \
        --temp-config="$work/server.conf" --inputdir="$work/regress" --outputdir="$out" \
        --dbname=regression "${arguments[@]}") > "$work/out" 2>&1 || failed=$?
    cat "$work/out"
    if [ $failed -ne 0 ]; then
        status=$failed
        [ -f "$out/regression.diffs" ] && cat "$out/regression.diffs"
        tail -n 20 "$out/log/postmaster.log" 2>/dev/null || true
    fi
    mkdir -p build/regress/results build/regress/log
    cp -r "$out/results/." build/regress/results/ 2>/dev/null || true
    cp "$out/log/postmaster.log" "build/regress/log/$suite.log" 2>/dev/null || true
done
exit $status
