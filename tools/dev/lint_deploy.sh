#!/bin/bash
# Checks what deploy/ holds by the linters of those who will read it:
#
#     tools/dev/lint_deploy.sh [--all] [FOLDER]
#
# systemd's own for the unit, hadolint for the container file, Kubernetes' schemas
# for the manifests; --all adds kube-score, which takes minutes to compile the
# first time and needs Go. Prints one line a check, "ok" or "FAILED" with what is
# wrong; exits 2 where a linter cannot be had. They go to build/tools, once.
set -uo pipefail
all=""
[ "${1:-}" != --all ] || { all=yes && shift; }
deploy=$(realpath "${1:-$(dirname "$0")/../../deploy}")
cd "$(dirname "$0")/../.."
root=$PWD
python=/usr/bin/python3
# Of a service manager's exposure scale, 0 to 100; ours has 14, as root it had 18.
exposure=15
# The oldest release that is likely to be met, and the newest that the linter knows.
releases="1.29 1.37"
kube_score_version=v1.17.0
failed=0
work=$(mktemp -d /tmp/wal2lake-lint.XXXXXX)
trap 'rm -rf "$work"' EXIT

die() {
    printf 'lint_deploy.sh: %s\n' "$1" >&2
    exit 2
}

check() {
    local title=$1 findings
    shift
    findings=$("$@" 2>&1)
    if [ -z "$findings" ]; then
        printf '%-58s ok\n' "$title"
    else
        printf '%-58s FAILED\n%s\n' "$title" "$findings"
        failed=1
    fi
}

# ---- the linters ----

mkdir -p build/tools
exec 9> build/tools/.lock
flock 9

venv=$root/build/tools/lint-$(sha256sum < tools/dev/lint_deploy.txt | cut -c1-12)
if [ ! -e "$venv/complete" ]; then
    rm -rf "$venv"
    { $python -m venv "$venv" && "$venv/bin/pip" install -q --no-deps --disable-pip-version-check -r tools/dev/lint_deploy.txt; } \
        > "$work/log" 2>&1 ||
        { cat "$work/log" >&2; die "pip could not install tools/dev/lint_deploy.txt; is the package index reachable?"; }
    touch "$venv/complete"
fi
kube_score=$root/build/tools/kube-score-$kube_score_version/kube-score
if [ -n "$all" ] && [ ! -x "$kube_score" ]; then
    command -v go > /dev/null || die "go is missing; install golang-go, which kube-score is compiled with"
    GOBIN=$(dirname "$kube_score") go install "github.com/zegl/kube-score/cmd/kube-score@$kube_score_version" > "$work/log" 2>&1 ||
        { cat "$work/log" >&2; die "go could not install kube-score; is the module proxy reachable?"; }
fi
flock -u 9

# ---- the checks ----

# The unit as installed, beside a command that exists.
unit=$work/wal2lake.service
sed "s|@bindir@|$work|" "$deploy/systemd/wal2lake.service" > "$unit" || exit 2
install -m 755 /bin/true "$work/wal2lake"

# An unknown key is a warning and no failure to it: any line is a finding.
unit_is_understood() {
    systemd-analyze verify "$unit" 2>&1 || echo "systemd-analyze verify failed"
}

unit_is_hardened() {
    systemd-analyze security --no-pager --offline=true --threshold=$exposure "$unit" > "$work/exposure" 2>&1 ||
        grep -E '^✗|exposure' "$work/exposure" || cat "$work/exposure"
}

user_is_made() {
    mkdir -p "$work/root/etc" "$work/root/usr/lib/sysusers.d"
    cp "$deploy/systemd/wal2lake.sysusers" "$work/root/usr/lib/sysusers.d/wal2lake.conf"
    systemd-sysusers --root="$work/root" wal2lake.conf > "$work/sysusers" 2>&1 || cat "$work/sysusers"
    local user
    user=$(sed -n 's/^User=//p' "$unit")
    grep -q "^$user:" "$work/root/etc/passwd" || echo "the unit's user \"$user\" is not among those made: $(cat "$work/sysusers")"
}

container_file() {
    "$venv/bin/hadolint" --no-color --failure-threshold style "$deploy/container/Containerfile" || echo "hadolint failed"
}

manifests_fit() {
    "$venv/bin/kubernetes-validate" --strict --quiet -k "$1" "$deploy"/kubernetes/*.yaml || echo "kubernetes-validate failed"
}

manifests_are_sound() {
    "$kube_score" score --color never --kubernetes-version v1.29 --exit-one-on-warning --ignore-container-cpu-limit \
        --enable-optional-test container-seccomp-profile "$deploy"/kubernetes/*.yaml > "$work/score" 2>&1 || cat "$work/score"
}

command -v systemd-analyze > /dev/null || die "systemd-analyze is missing; run make deps"
check "systemd understands the unit" unit_is_understood
check "the unit is hardened (systemd-analyze security)" unit_is_hardened
check "the unit's user is made (systemd-sysusers)" user_is_made
check "the container file (hadolint)" container_file
for release in $releases; do
    check "the manifests fit Kubernetes $release" manifests_fit "$release"
done
[ -z "$all" ] || check "the manifests are sound (kube-score)" manifests_are_sound
exit $failed
