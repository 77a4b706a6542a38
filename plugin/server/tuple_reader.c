/*
 * From tuple to values: the one choke point. The decision comes first: a withheld
 * value is never touched, an on-disk TOAST pointer is never followed.
 */
#include "server/plugin.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/tupdesc_details.h"
#include "utils/memutils.h"

/* ---- rows ---- */

/* True if what is read of a varlena may be large. */
static bool may_be_large(Datum datum)
{
    struct varlena* value = (struct varlena*)DatumGetPointer(datum);

    return (VARATT_IS_EXTERNAL(value) || VARATT_IS_COMPRESSED(value)) &&
           toast_raw_datum_size(datum) > LARGE_VALUE;
}

/* What reading a large value takes is given back before the next one; what its row needs of it is kept. */
static void read_large_value(Session* session, Column* column, Datum datum, w2l_value* out)
{
    MemoryContext old = MemoryContextSwitchTo(session->value_context);

    lift_memory_limit();
    column->read(session, column, datum, out);
    MemoryContextSwitchTo(old);
    switch (out->kind) {
    case W2L_VALUE_TEXT:
    case W2L_VALUE_BYTES:
    case W2L_VALUE_NUMERIC:
    case W2L_VALUE_HASH_BYTES:
        out->bytes = memcpy(palloc(out->length), out->bytes, out->length);
        break;
    default:
        break;
    }
    MemoryContextReset(session->value_context);
}

static void read_value(Session* session, Column* column, Datum datum, bool is_null, w2l_value* out)
{
    /* The one decision. A column without a reader is withheld, whatever else went wrong. */
    if (column->read == NULL) {
        out->kind = W2L_VALUE_WITHHELD;
        session->current->withheld++;
        session->has_news = true;
    } else if (is_null)
        out->kind = W2L_VALUE_NULL;
    else if (column->is_varlena && VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(datum)))
        out->kind = W2L_VALUE_UNCHANGED;
    else if (column->is_varlena && may_be_large(datum))
        read_large_value(session, column, datum, out);
    else
        column->read(session, column, datum, out);
}

/* As find_table() does: asked for before the row is taken apart, it is there when it is read. */
static void fetch_ahead(const Table* table)
{
    for (int i = 0; i < Min(table->column_count, FETCHED_COLUMNS); i++) {
        __builtin_prefetch(table->columns[i].output);
        __builtin_prefetch(table->columns[i].domain);
    }
}

w2l_row read_row(Session* session, Table* table, Relation relation, HeapTuple tuple, w2l_side side,
                 bool key_only)
{
    Datum datums[MaxHeapAttributeNumber];
    bool nulls[MaxHeapAttributeNumber];
    w2l_value* values = &session->values[side == W2L_SIDE_OLD ? MaxHeapAttributeNumber : 0];
    w2l_row row = {values, 0};
    MemoryContext old = MemoryContextSwitchTo(session->change_context);

    if (session->current != table) {
        session->current = table;
        fetch_ahead(table);
    }
    session->side = side;
    session->inline_bytes = 0;
    heap_deform_tuple(tuple, RelationGetDescr(relation), datums, nulls);
    for (int i = 0; i < table->column_count; i++) {
        Column* column = &table->columns[i];

        if (key_only && !column->wire->is_key)
            continue;
        read_value(session, column, datums[column->attnum - 1], nulls[column->attnum - 1],
                   &values[row.count++]);
    }
    lift_memory_limit();
    MemoryContextSwitchTo(old);
    return row;
}

/* ---- values of rows from before a column ---- */

/* What a value points to, where the table keeps it. */
static void keep_value(Table* table, w2l_value* value)
{
    switch (value->kind) {
    case W2L_VALUE_TEXT:
    case W2L_VALUE_BYTES:
    case W2L_VALUE_NUMERIC:
    case W2L_VALUE_HASH_BYTES:
        value->bytes =
            memcpy(MemoryContextAlloc(table->context, Max(value->length, 1)), value->bytes, value->length);
        break;
    default:
        break;
    }
}

static void read_missing_value(Session* session, Table* table, Column* column, Datum datum)
{
    w2l_value* value = MemoryContextAllocZero(table->context, sizeof(w2l_value));

    read_value(session, column, datum, false, value);
    keep_value(table, value);
    column->wire->missing = value;
}

/* Of a withheld column it is not even told whether there is one. */
void read_missing_values(Session* session, Table* table, Relation relation)
{
    TupleDesc descriptor = RelationGetDescr(relation);
    const AttrMissing* missing = descriptor->constr != NULL ? descriptor->constr->missing : NULL;
    uint64 uncarried = table->uncarried;

    if (missing == NULL)
        return;
    session->current = table;
    session->inline_bytes = 0;
    session->cannot_chunk = true;
    for (int i = 0; i < table->column_count; i++) {
        Column* column = &table->columns[i];

        if (column->read != NULL && missing[column->attnum - 1].am_present)
            read_missing_value(session, table, column, missing[column->attnum - 1].am_value);
    }
    session->cannot_chunk = false;
    lift_memory_limit();
    /* The counters are of rows. */
    table->uncarried = uncarried;
}
