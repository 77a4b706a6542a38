#!/bin/bash
# Formatting, the layer rules of CONTRIBUTING.md, the symbols of what was built,
# clang-tidy and cppcheck. Prints one line a check, "ok" or "FAILED" with what is
# wrong. With WAL2LAKE_LONG=1 clang's analyzer sees the C++, and clang-tidy the tests.
set -uo pipefail
cd "$(dirname "$0")/../.."
failed=0

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

formatting() {
    git ls-files '*.c' '*.cpp' '*.h' | xargs -r clang-format --dry-run -Werror 2>&1 | grep 'error:' | head -n 20
}

# core/ knows no server, no libpq; what it includes of ours is core/.
core_includes() {
    grep -nE '#include *[<"](postgres|libpq|fmgr|utils/|access/|catalog/|replication/|nodes/|server/|policy/|google/)' \
        plugin/core/*.h plugin/core/*.cpp
}

# server/ and policy/ are C: there is no destructor to jump over.
server_is_c() {
    find plugin/server plugin/policy -name '*.cpp' -o -name '*.hpp'
    grep -nE '#include *<[a-z_]+>' plugin/server/*.[ch] plugin/policy/*.[ch] | grep -vE '<sys/mman\.h>'
}

# What differs between versions of the server is told in one header.
versions_in_one_place() {
    grep -rnE 'PG_VERSION_NUM|PG_MAJORVERSION' --include='*.[ch]' --include='*.cpp' plugin | grep -v '^plugin/server/compat\.h:'
}

one_catch() {
    grep -nE '\bcatch *\(|\bthrow\b[^s]' plugin/core/*.cpp plugin/core/*.h | grep -v '^plugin/core/guard.h' |
        grep -vE '^\S+:[0-9]+: *(\*|//|/\*)'
}

command_layer() {
    grep -rnE '#include *"(server|policy)/' tools/wal2lake
}

# Each of them is compiled once, behind a header of ours.
heavy_headers_once() {
    local header users
    for header in CLI/CLI.hpp 'toml\+\+/toml.h' nlohmann/json.hpp httplib.h prometheus/text_serializer.h pugixml.hpp curl/curl.h \
        'yaml-cpp/[a-z]+\.h' pg_query.h pg_query/pg_query.pb-c.h; do
        users=$(grep -rlE "#include *<$header>" tools/wal2lake | wc -l)
        [ "$users" -le 1 ] || echo "$header is included by $users files of tools/wal2lake"
    done
}

# A name that is missing is an error of the one test that gets there, at the end of a long run.
python_names() {
    git ls-files '*.py' | xargs -r pyflakes3
}

tests_listed() {
    local file
    for file in regress/sql/*.sql; do
        file=$(basename "$file" .sql)
        grep -q "^test: $file\$" regress/schedule || echo "regress/sql/$file.sql is not in regress/schedule"
        [ -f "regress/expected/$file.out" ] || echo "regress/expected/$file.out is missing"
    done
    for file in regress/specs/*.spec; do
        file=$(basename "$file" .spec)
        grep -q "^test: $file\$" regress/isolation_schedule || echo "regress/specs/$file.spec is not in regress/isolation_schedule"
        [ -f "regress/expected/$file.out" ] || echo "regress/expected/$file.out is missing"
    done
    for file in $(find regress/unit -name '*_test.cpp'); do
        grep -rq "$(basename "$file")" --include=CMakeLists.txt regress/unit || echo "$file is in no CMakeLists.txt"
    done
}

# Every callback that the server's header knows is registered, also those that refuse.
callbacks_registered() {
    local header
    header=$("${PG_CONFIG:-pg_config}" --includedir-server)/replication/output_plugin.h
    sed -n '/^typedef struct OutputPluginCallbacks/,/^}/p' "$header" | grep -oE '[a-z_]+_cb;' | tr -d ';' |
        while read -r callback; do
            grep -q "callbacks->$callback = " plugin/server/module.c || echo "module.c does not register $callback"
        done
}

# The library exports what the server looks for, and nothing of C++.
exported_symbols() {
    local library=$1 pattern=$2
    [ -f "$library" ] || { echo "$library is not built"; return; }
    nm -D --defined-only "$library" | awk '{print $3}' | grep -vE "^($pattern)\$"
}

# What is left undefined must be the server's or C's: a missing C++ runtime shows at load time only.
undefined_symbols() {
    ldd -r wal2lake.so 2>&1 | grep 'undefined symbol' | grep -E '_Z|XXH|EVP_|SHA256_'
    nm -D -u wal2lake_policy.so | grep -E '_Z|gxx|EVP_|SHA256_|HMAC'
}

# Failpoints are for the test executable alone: the product has neither their code nor their names.
no_failpoints() {
    local command=build/release/tools/wal2lake/wal2lake names
    [ -f "$command" ] || { echo "$command is not built"; return; }
    names=$(sed -n '/^inline constexpr auto kPlaces/,/^});/p' tools/wal2lake/failpoint.h | grep -oE '"[a-z_.]+"' | tr -d '"')
    [ -n "$names" ] || echo "no names found in failpoint.h"
    nm -C "$command" | grep -i failpoint
    strings --data "$command" | grep -i failpoint
    strings --data "$command" | grep -xF "$names"
}

# libpg_query's archive has a copy of xxhash, which must not take the place of the one that we were compiled for.
one_xxhash() {
    local command=build/release/tools/wal2lake/wal2lake
    [ -f "$command" ] || { echo "$command is not built"; return; }
    nm "$command" | grep -E ' [TtW] XXH'
}

# Says nothing exactly where all is well; what ends badly must not be silent.
analysis() {
    /usr/bin/python3 tools/dev/tidy.py "$1" || echo "tools/dev/tidy.py $1 failed"
}

check "formatting (make format mends it)" formatting
check "core includes no server header" core_includes
check "server and policy are C without C++ headers" server_is_c
check "only server/compat.h asks for the server's version" versions_in_one_place
check "only core/guard.h catches, core does not throw" one_catch
check "the command includes nothing of the server side" command_layer
check "heavy headers are included once" heavy_headers_once
check "every test is listed" tests_listed
check "every output plugin callback is registered" callbacks_registered
check "wal2lake.so exports what the server looks for" exported_symbols wal2lake.so \
    'Pg_magic_func|_PG_output_plugin_init|(pg_finfo_)?wal2lake_(added_columns|ddl_facts|decode_frame|default_domain|label_action|label_fault|is_admin|key_digits|label_declared|lock_for_label|set_label|compute_token|log_lookup)'
check "wal2lake_policy.so exports what the server looks for" exported_symbols wal2lake_policy.so 'Pg_magic_func|_PG_init'
check "no symbol is left for load time" undefined_symbols
check "nothing of the failpoints is in the command" no_failpoints
check "xxhash is the system's library" one_xxhash
check "names of Python are defined and used" python_names
check "cppcheck" analysis cppcheck
check "clang-tidy" analysis product
[ -z "${WAL2LAKE_LONG:-}" ] || check "clang-tidy on the tests" analysis tests
exit $failed
