"""The lake against the oracle: same transactions, same order, same changes, same values where they are clear
and the same tokens, computed again, where they are hashed."""

import struct

from . import oracle, tokens, values, wire
from .lake import count_changes

MOST_SHOWN = 20
# Numbers are compared by their bits: texts differ where both are right, and -0 is not 0.
FLOATS = {wire.wal2lake.ENCODING_FLOAT32: "<f", wire.wal2lake.ENCODING_FLOAT64: "<d"}


def relevant(transactions, tables):
    """The oracle's view of what the lake should hold: changes of the emitted tables, no empty transactions."""
    kept = []
    for transaction in transactions:
        changes = [change for change in transaction.changes if tables(change.table)]
        if changes:
            kept.append(oracle.Transaction(transaction.xid, transaction.end_lsn, changes))
    return kept


def differences(lake_transactions, oracle_transactions, tables, keys=None):
    """Sentences, at most MOST_SHOWN, on how the lake differs from the oracle; none if it does not.

    `tables` says of a name whether it is emitted; `keys` ({id: bytes}) lets tokens be recomputed.
    """
    expected = relevant(oracle_transactions, tables)
    # What holds nothing but what DDL did, test_decoding has no word for; and messages are asked for by prefix.
    lake_transactions = [each for each in lake_transactions if each.changes or not (each.ddl or each.messages)]
    found = list(_sequence(lake_transactions, expected))
    if found:
        return found[:MOST_SHOWN]
    for ours, theirs in zip(lake_transactions, expected):
        found += _transaction(ours, theirs, keys)
        if len(found) >= MOST_SHOWN:
            break
    counts, wanted = count_changes(lake_transactions), count_changes(expected)
    if counts != wanted:
        found.append(f"counts {counts}, the oracle has {wanted}")
    return found[:MOST_SHOWN]


def _sequence(ours, theirs):
    """Lost, twice, out of order: by (xid, end LSN)."""
    our_keys = [(transaction.xid, transaction.end_lsn) for transaction in ours]
    their_keys = [(transaction.xid, transaction.end_lsn) for transaction in theirs]
    if our_keys == their_keys:
        return
    ours_set, theirs_set = set(our_keys), set(their_keys)
    for xid, lsn in (key for key in their_keys if key not in ours_set):
        yield f"transaction {xid} ending at {lsn:X} is lost"
    for xid, lsn in (key for key in our_keys if key not in theirs_set):
        yield f"transaction {xid} ending at {lsn:X} is in the lake alone"
    seen = set()
    for key in our_keys:
        if key in seen:
            yield f"transaction {key[0]} ending at {key[1]:X} is in the lake twice"
        seen.add(key)
    if our_keys != sorted(our_keys, key=lambda key: key[1]):
        yield "transactions of the lake are out of order"


def _transaction(ours, theirs, keys):
    shape = [(change.ordinal, change.operation, change.table) for change in ours.changes]
    wanted = [(change.ordinal, change.operation, change.table) for change in theirs.changes]
    # The tables of one TRUNCATE have no order.
    if sorted(shape) != sorted(wanted):
        return [f"transaction {ours.xid}: changes {shape[:5]}..., the oracle has {wanted[:5]}..."]
    found = []
    for change, other in zip(sorted(ours.changes, key=_place), sorted(theirs.changes, key=_place)):
        where = f"transaction {ours.xid}, change {change.ordinal} of {change.table}"
        columns = {column.name: column for column in change.relation.columns}
        if (change.new is None) != (other.new is None):
            found.append(f"{where}: a new row on one side only")
        elif change.new is not None:
            if set(change.new) != set(other.new):
                found.append(f"{where}: columns {sorted(change.new)}, the oracle has {sorted(other.new)}")
            else:
                found += _row(where, columns, change.new, other.new, change.relation.key_id, keys)
        if (change.old is None) != (other.old is None):
            found.append(f"{where}: an old row on one side only")
        elif change.old is not None:
            if set(other.old) - set(change.old):
                found.append(f"{where}: old columns {sorted(change.old)}, the oracle has {sorted(other.old)}")
            # test_decoding leaves NULLs out of old rows.
            old = {name: other.old.get(name) for name in change.old}
            found += _row(where + ", old row", columns, change.old, old, change.relation.key_id, keys)
    return found


def _place(change):
    return change.ordinal, change.table


def _row(where, columns, ours, theirs, key_id, keys):
    for name, value in ours.items():
        problem = _value(columns[name], value, theirs[name], key_id, keys)
        if problem:
            yield f"{where}, column {name}: {problem}"


def _value(column, ours, theirs, key_id, keys):
    """None if the two agree. The oracle's clear values stay out of the sentence: they may be red."""
    if ours is values.WITHHELD:
        return None
    if isinstance(ours, values.Uncarried):
        return None if theirs is not None and theirs is not oracle.UNCHANGED else "UNCARRIED where there is no value"
    if (ours is None) != (theirs is None):
        return "NULL on one side only"
    if (ours is values.UNCHANGED) != (theirs is oracle.UNCHANGED):
        return "UNCHANGED on one side only"
    if ours is None or ours is values.UNCHANGED:
        return None
    if isinstance(ours, values.Token):
        if keys is None:
            return None
        wanted = tokens.token(keys[key_id], column.domain, column.base_type_oid, theirs)
        return None if ours.bytes == wanted else "the token is not the one its key, domain and value give"
    if column.encoding in FLOATS:
        same = struct.pack(FLOATS[column.encoding], float(ours)) == struct.pack(FLOATS[column.encoding], float(theirs))
        return None if same else "the number differs"
    if column.encoding == wire.wal2lake.ENCODING_BOOL:
        # test_decoding spells the words out, except under a domain.
        theirs = {"t": "true", "f": "false"}.get(theirs, theirs)
    return None if ours == theirs else "the clear value differs"
