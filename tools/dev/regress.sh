#!/bin/bash
# Runs pg_regress against a temporary server: `make installcheck`.
#
# The plugin must be installed. initdb refuses root, and the ordinary user it
# drops to may not be able to read the checkout, so everything runs in a copy.
# Arguments: names of tests; none runs the schedule.
set -euo pipefail
cd "$(dirname "$0")/../.."
pg_config=${PG_CONFIG:-pg_config}
bindir=$($pg_config --bindir)
pg_regress=$(dirname "$($pg_config --pgxs)")/../../src/test/regress/pg_regress

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
cp -r regress/sql regress/expected regress/schedule "$work/regress/"
# A key that everybody knows, so that expected output can show tokens.
printf '# keys of the regression tests\nk2026 %s\n' "$(printf 'wal2lake regression test key 01!' | base64)" > "$work/keys"
chmod 0600 "$work/keys"

cat > "$work/server.conf" <<CONF
wal_level = logical
max_replication_slots = 8
max_wal_senders = 8
shared_preload_libraries = 'wal2lake_policy'
wal2lake.key_file = '$work/keys'
wal2lake.admin_role = 'wal2lake_admin'
log_min_messages = debug1
autovacuum_naptime = '1d'
fsync = off
CONF
# Servers that do not know the allow-list refuse to start with it.
if "$bindir/postgres" --describe-config | grep '^output_plugin_libraries' > /dev/null; then
    echo "output_plugin_libraries = 'wal2lake, test_decoding'" >> "$work/server.conf"
fi
chmod 0755 "$work"
[ ${#run[@]} -eq 0 ] || chown -R "$user" "$work"

arguments=(--schedule="$work/regress/schedule")
[ $# -eq 0 ] || arguments=("$@")
status=0
(cd "$work" && "${run[@]}" "$pg_regress" --bindir="$bindir" --temp-instance="$work/instance" \
    --temp-config="$work/server.conf" --inputdir="$work/regress" --outputdir="$work" \
    --dbname=regression "${arguments[@]}") > "$work/out" 2>&1 || status=$?
cat "$work/out"
if [ $status -ne 0 ]; then
    mkdir -p build/regress
    [ -f "$work/regression.diffs" ] && cat "$work/regression.diffs"
    tail -n 20 "$work/log/postmaster.log" 2>/dev/null || true
fi
# Kept for whoever wants to accept new output, and for the log search of the leak test.
mkdir -p build/regress
rm -rf build/regress/*
cp -r "$work/results" "$work/log" build/regress/ 2>/dev/null || true
exit $status
