"""The plugin without one of its protections, to see that the search for leaks finds what that protection holds.

What is shipped has no switch for any of this. A copy of the sources gets one in the place of each protection, and is built once;
a file says which of them is off, and is read by each process that decodes or labels.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .cluster import server_bindir

REPOSITORY = Path(__file__).resolve().parents[3]

SWITCH = """\
#pragma once
#include <stdio.h>
#include <string.h>

static inline int w2l_is_off(const char* name)
{
    static char chosen[64];
    static int is_read;

    if (!is_read) {
        FILE* file = fopen("%s", "r");

        is_read = 1;
        if (file != NULL) {
            if (fgets(chosen, sizeof(chosen), file) == NULL)
                chosen[0] = '\\0';
            fclose(file);
        }
    }
    return strcmp(chosen, name) == 0;
}
"""


@dataclass(frozen=True)
class Protection:
    """What holds `leaks` (places of leaky.py) back: `good` stands once in `file`; `bad` is it without, where OFF is true."""

    name: str
    file: str
    good: str
    bad: str
    leaks: frozenset


def protection(name, file, good, bad, *leaks):
    return Protection(name, f"plugin/{file}", good, bad.replace("OFF", f'w2l_is_off("{name}")'), frozenset(leaks))


# A reader of the value as it is, for a column that has none or another.
NAKED = "Column naked = *column; naked.read = choose_reader(W2L_ACTION_CLEAR, column->type, column->wire->base_type_oid);"

PROTECTIONS = (
    # ---- what labels say ----
    protection("a column without a label is withheld", "core/policy.cpp",
               "return {W2L_CLASS_NONE, hash ? W2L_ACTION_HASH : W2L_ACTION_DROP, nullptr, 0};",
               "return {W2L_CLASS_NONE, OFF ? W2L_ACTION_CLEAR : hash ? W2L_ACTION_HASH : W2L_ACTION_DROP, nullptr, 0};",
               "person.unlabelled", "person.toasted_unlabelled", "unlabelled_key.email", "kinds.unlabelled_point"),
    protection("a label that is none withholds", "core/policy.cpp",
               "return {W2L_CLASS_NONE, W2L_ACTION_DROP, nullptr, 0};",
               "return {W2L_CLASS_NONE, OFF ? W2L_ACTION_CLEAR : W2L_ACTION_DROP, nullptr, 0};", "odd_label.secret"),
    protection("what cannot be hashed is dropped", "core/policy.cpp",
               "verdict = {label.class_, W2L_ACTION_DROP, nullptr, 0};",
               "verdict = {label.class_, OFF ? W2L_ACTION_CLEAR : W2L_ACTION_DROP, nullptr, 0};",
               "kinds.json", "kinds.name_array"),
    protection("the label of now counts", "server/policy_cache.c",
               "decide_at(lineage, attnums, NOW, is_key, type));",
               "OFF ? w2l_no_verdict() : decide_at(lineage, attnums, NOW, is_key, type));", "raised_later.secret"),
    protection("the label of then counts", "server/policy_cache.c",
               "verdict = w2l_stricter(decide_at(lineage, attnums, THEN, is_key, type),",
               "verdict = w2l_stricter(OFF ? w2l_no_verdict() : decide_at(lineage, attnums, THEN, is_key, type),",
               "lowered_later.secret", "raised_between.secret"),
    protection("the labels of ancestors count", "server/policy_cache.c",
               "        if (attnum <= 0 || !labels->exists || !labels->column_exists[attnum - 1])",
               "        if ((i > 0 && OFF) || attnum <= 0 || !labels->exists || !labels->column_exists[attnum - 1])",
               "loose_child.secret"),
    protection("a table that was attached does not inherit", "server/policy_cache.c",
               "else if (is_root || labels->table != W2L_TABLE_INHERIT)",
               "else if (is_root || (labels->table != W2L_TABLE_INHERIT && !OFF))", "attached.region"),
    protection("an excluded table is not sent", "server/policy_cache.c",
               "table->excluded = !lineage->too_deep && is_excluded(lineage);",
               "table->excluded = !lineage->too_deep && is_excluded(lineage) && !OFF;", "excluded.secret"),
    # ---- who may change them, and from when on they count ----
    protection("an owner may not loosen a label", "policy/policy.c",
               "    if (!admin)\n        check_column_ratchet(old_label, new_label);",
               "    if (!admin && !OFF)\n        check_column_ratchet(old_label, new_label);", "owned.secret"),
    protection("a partition that moves does not inherit", "policy/policy.c",
               "        if (IsA(statement, AlterTableStmt))\n            unmark_moved_partitions(",
               "        if (IsA(statement, AlterTableStmt) && !OFF)\n            unmark_moved_partitions(", "moved_child.secret"),
    protection("a label counts from its place in the WAL on", "policy/policy.c",
               "    else\n        CacheInvalidateRelcacheByRelid(object->objectId);",
               "    else if (!OFF)\n        CacheInvalidateRelcacheByRelid(object->objectId);", "raised_again.secret"),
    # ---- from row to record ----
    protection("what is to be hashed meets no other reader", "server/value_reader.c",
               "        return hash_reader(type, base_type_oid);",
               "        return OFF ? clear_reader(type, base_type_oid) : hash_reader(type, base_type_oid);",
               "person.red_text", "person.red_number", "person.red_numeric", "person.red_uuid", "red_key.email", "by_index.email",
               "kinds.enum", "kinds.timestamp", "kinds.timestamptz", "kinds.float8", "kinds.macaddr8", "kinds.cidr", "kinds.name",
               "kinds.bytea", "kinds.large"),
    protection("what is dropped meets no reader", "server/value_reader.c",
               "    default:\n        return NULL;\n    }\n}\n",
               "    default:\n        return OFF ? clear_reader(type, base_type_oid) : NULL;\n    }\n}\n",
               "person.dropped_by_label", "person.regulated", "person.red_bytes", "person.red_inet", "person.red_json",
               "person.red_array", "person.red_composite", "person.red_xml", "kinds.large_dropped",
               "kinds.tsvector", "kinds.range", "kinds.interval", "kinds.point", "kinds.bit"),
    protection("old rows pass the same decision", "server/tuple_reader.c",
               "        read_value(session, column, datums[column->attnum - 1], nulls[column->attnum - 1],\n"
               "                   &values[row.count++]);",
               "        " + NAKED + "\n"
               "        read_value(session, side == W2L_SIDE_OLD && !key_only && OFF ? &naked : column,\n"
               "                   datums[column->attnum - 1], nulls[column->attnum - 1], &values[row.count++]);",
               "full_identity.red_text", "full_identity.unlabelled", "kinds.large"),
    protection("old keys pass the same decision", "server/tuple_reader.c",
               "        if (key_only && !column->wire->is_key)\n            continue;\n",
               "        if (key_only && !column->wire->is_key)\n            continue;\n"
               "        if (key_only && OFF) {\n            " + NAKED + "\n"
               "            read_value(session, &naked, datums[column->attnum - 1], nulls[column->attnum - 1],\n"
               "                       &values[row.count++]);\n            continue;\n        }\n",
               "red_key.email", "unlabelled_key.email", "by_index.email"),
    protection("large values pass the same decision", "server/tuple_reader.c",
               "    lift_memory_limit();\n    column->read(session, column, datum, out);\n    MemoryContextSwitchTo(old);",
               "    " + NAKED + "\n    lift_memory_limit();\n"
               "    (OFF ? &naked : column)->read(session, OFF ? &naked : column, datum, out);\n    MemoryContextSwitchTo(old);",
               "kinds.large"),
    protection("defaults of added columns pass the same decision", "server/tuple_reader.c",
               "    read_value(session, column, datum, false, value);",
               "    " + NAKED + "\n    read_value(session, OFF ? &naked : column, datum, false, value);",
               "person.added_hashed", "full_identity.added_hashed"),
    protection("a default of a withheld column is not told", "server/tuple_reader.c",
               "        if (column->read != NULL && missing[column->attnum - 1].am_present)\n"
               "            read_missing_value(session, table, column, missing[column->attnum - 1].am_value);",
               "        " + NAKED + "\n"
               "        if ((column->read != NULL || OFF) && missing[column->attnum - 1].am_present) {\n"
               "            read_missing_value(session, table, OFF ? &naked : column, missing[column->attnum - 1].am_value);\n"
               "            column->wire->missing = naked.wire->missing;\n        }",
               "person.added_dropped", "person.added with a default"),
    # ---- beside the rows ----
    protection("a token needs a key", "core/token.cpp",
               "    if (!domain->hmac.Digest(tag, canonical, digest))",
               "    if (OFF)\n        SHA256(reinterpret_cast<const uint8_t*>(canonical.data()), canonical.size(), digest);\n"
               "    else if (!domain->hmac.Digest(tag, canonical, digest))", "person.red_text", "red_key.email"),
    protection("a message needs a prefix that is named", "policy/policy.c",
               "    if (message_prefixes != NULL)\n", "    if (OFF)\n        return true;\n    if (message_prefixes != NULL)\n",
               "message.content", "message.prefix"),
    protection("the error of a value is forgotten", "server/output_text.c",
               "        /* The text may quote the value: it is forgotten, not reported. */\n",
               "        if (OFF)\n            PG_RE_THROW();\n", "broken_value.value"),
)

# One protection in two places, which counts where there is no key.
NO_KEY = "what is to be hashed stops without a key"
WITHOUT_KEY = (
    protection(NO_KEY, "server/callbacks.c", "    if (key_id == NULL && any_column_is_hashed())\n",
               "    if (key_id == NULL && any_column_is_hashed() && !OFF)\n", "person.red_text"),
    protection(NO_KEY, "server/policy_cache.c",
               "        else if (can_do_without_key(column))\n            withhold(column);\n",
               "        else if (OFF)\n"
               "            column->read = choose_reader(W2L_ACTION_CLEAR, column->type, column->wire->base_type_oid);\n"
               "        else if (can_do_without_key(column))\n            withhold(column);\n", "person.red_text"),
)


class Unprotected:
    """Builds the libraries; `folder` has them, and the server's user may read it."""

    def __init__(self, folder):
        self.folder, self.chosen = Path(folder), Path(folder) / "off"
        sources = self.folder / "sources"
        # With what was built there, so that only what is changed is built again.
        shutil.copytree(REPOSITORY / "plugin", sources / "plugin")
        shutil.copytree(REPOSITORY / "sql", sources / "sql")
        shutil.copy2(REPOSITORY / "Makefile", sources)
        for each in (*PROTECTIONS, *WITHOUT_KEY):
            self._plant(sources / each.file, each)
        switch = self.folder / "switch.h"
        switch.write_text(SWITCH % self.chosen, encoding="utf-8")
        done = subprocess.run(
            ["make", "-j2", "all", f"CC=gcc -include {switch}", f"CXX=g++ -include {switch}",
             f"PG_CONFIG={os.environ.get('PG_CONFIG') or server_bindir() / 'pg_config'}"],
            cwd=sources, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"the plugin without protections cannot be built:\n{done.stdout[-3000:]}")
        for library in sources.glob("*.so"):
            Path(shutil.copy(library, self.folder)).chmod(0o755)
        self.folder.chmod(0o755)
        self.switch_off("")

    @staticmethod
    def _plant(path, each):
        text = path.read_text(encoding="utf-8")
        if text.count(each.good) != 1:
            raise RuntimeError(f"{each.file} has changed, so \"{each.name}\" must be taken away anew")
        path.write_text(text.replace(each.good, each.bad), encoding="utf-8")

    def switch_off(self, name):
        """From now on, for new processes: the protection of that name, or none."""
        self.chosen.write_text(name, encoding="utf-8")
        self.chosen.chmod(0o644)
