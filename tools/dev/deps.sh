#!/bin/sh
# Installs what building and testing wal2lake needs, as Debian packages.
# Silent and quick when all is there; uses sudo when not root. Run by `make deps`.
# `deps.sh bench` also installs the output plugins that `make bench` measures, `deps.sh matrix`
# what newer servers are fetched with, `deps.sh valgrind` the checker of that name.
set -eu

packages="
postgresql-15 postgresql-client-15 postgresql-server-dev-15
gcc g++ make cmake ninja-build pkg-config clang clang-format clang-tidy cppcheck pyflakes3
libpq-dev libssl-dev libzstd-dev libxxhash-dev
libprotozero-dev protobuf-compiler libprotobuf-dev
libcli11-dev libtomlplusplus-dev nlohmann-json3-dev
prometheus-cpp-dev libcpp-httplib-dev libcurl4-openssl-dev libpugixml-dev
libgtest-dev libgmock-dev
clang libclang-rt-14-dev
libyaml-cpp-dev libpg-query-dev libprotobuf-c-dev
python3 python3-protobuf python3-zstandard python3-xxhash python3-psycopg2 python3-pytest python3-venv python3-yaml python3-ahocorasick
openssl systemd util-linux zstd iproute2 git"
case "${1:-}" in
bench) packages="$packages postgresql-15-wal2json postgresql-15-decoderbufs" ;;
matrix) packages="$packages mmdebstrap debian-archive-keyring" ;;
valgrind) packages="$packages valgrind" ;;
esac

die() {
    printf 'deps.sh: %s\n' "$1" >&2
    exit 1
}

command -v dpkg-query >/dev/null 2>&1 ||
    die "this is not a Debian system; install the counterparts of the packages named in this script"

# One query for all: a package counts only when it is installed and configured.
# A name that dpkg has never seen makes the query fail, and is simply not in its answer.
installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' $packages 2>/dev/null |
    awk '$1 ~ /^.i$/ { print $2 }') || true
missing=""
for package in $packages; do
    case "
$installed
" in
    *"
$package
"*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 ||
        die "missing:$missing; run this as root, or install sudo"
    as_root="sudo"
fi

printf 'installing%s\n' "$missing"

# Installing a server package creates and starts a cluster by default. We bring our own,
# so say no where nobody has one; where there are clusters, the administrator has decided.
no_cluster=""
drop_in=/etc/postgresql-common/createcluster.d/wal2lake-deps.conf
if [ -z "$(ls -A /etc/postgresql 2>/dev/null)" ]; then
    no_cluster=yes
    $as_root mkdir -p "${drop_in%/*}"
    echo 'create_main_cluster = false' | $as_root tee "$drop_in" >/dev/null
fi
forget_drop_in() {
    [ -z "$no_cluster" ] || $as_root rm -f "$drop_in"
}
trap forget_drop_in EXIT

apt_get() {
    # DEBIAN_FRONTEND passes through sudo only as an argument of env.
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@"
}

log=$(mktemp)
if ! { apt_get update && apt_get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "apt-get could not install:$missing; see above, check the network and /etc/apt/sources.list (Debian 12, main), and run it again"
fi
rm -f "$log"
