/*
 * Labels that functions of the extension put on for somebody who does not own the
 * table: by number, under the table's lock. SECURITY LABEL looks for a name, and
 * waits between the look and the label; by then the name may be another column's.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/seclabel.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "server/plugin.h"

/* PostgreSQL exports them itself from 16 on. */
extern PGDLLEXPORT Datum wal2lake_lock_for_label(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum wal2lake_set_label(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum wal2lake_label_declared(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(wal2lake_lock_for_label);
PG_FUNCTION_INFO_V1(wal2lake_set_label);
PG_FUNCTION_INFO_V1(wal2lake_label_declared);

/* What SECURITY LABEL asks before it looks at an object, and its lock, by which names and labels stay as they are. */
static void lock_for_label(Oid relid)
{
    if (!superuser())
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("functions of wal2lake that label belong to a superuser")));
    PreventCommandIfReadOnly("SECURITY LABEL");
    LockRelationOid(relid, ShareUpdateExclusiveLock);
    /* The lock does it only where it was not held before. */
    AcceptInvalidationMessages();
}

static void set_label(Oid relid, AttrNumber attnum, const char* label)
{
    ObjectAddress object;

    ObjectAddressSubSet(object, RelationRelationId, relid, attnum);
    preloaded_policy()->set_label(&object, label);
    CommandCounterIncrement();
}

static bool column_is_there(Oid relid, AttrNumber attnum, const char* name)
{
    HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attnum));
    bool there = false;

    if (HeapTupleIsValid(tuple)) {
        Form_pg_attribute attribute = (Form_pg_attribute)GETSTRUCT(tuple);

        there = !attribute->attisdropped && (name == NULL || strcmp(NameStr(attribute->attname), name) == 0);
        ReleaseSysCache(tuple);
    }
    return there;
}

/* lock_for_label(object oid) */
Datum wal2lake_lock_for_label(PG_FUNCTION_ARGS)
{
    lock_for_label(PG_GETARG_OID(0));
    PG_RETURN_VOID();
}

/* set_label(object oid, attnum int2, label text): of a column, or as number 0 of the table itself; NULL takes it away */
Datum wal2lake_set_label(PG_FUNCTION_ARGS)
{
    Oid relid = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
    AttrNumber attnum = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT16(1);

    lock_for_label(relid);
    if (PG_ARGISNULL(1) || get_rel_relkind(relid) == '\0' ||
        (attnum != 0 && !column_is_there(relid, attnum, NULL)))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("what was to be labelled is gone")));
    set_label(relid, attnum, PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)));
    PG_RETURN_VOID();
}

/* Whether a column or, as number 0, a table is what it was declared to be, now and not in some snapshot. */
static bool is_still_named(Oid relid, AttrNumber attnum, const char* schema, const char* table,
                           const char* column)
{
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
    bool named = false;

    if (HeapTupleIsValid(tuple)) {
        Form_pg_class form = (Form_pg_class)GETSTRUCT(tuple);
        char* namespace_ = get_namespace_name(form->relnamespace);

        named = namespace_ != NULL && strcmp(namespace_, schema) == 0 &&
                strcmp(NameStr(form->relname), table) == 0 && !form->relispartition;
        ReleaseSysCache(tuple);
    }
    return named && (attnum == 0 ? column[0] == '\0' : column_is_there(relid, attnum, column));
}

/*
 * Whether the trail has a label of it since then. If so somebody has taken it away. Of
 * a table only what can be declared counts: "inherit" comes and goes with partitions.
 * In a snapshot of now: that of the transaction may be older than the change.
 */
static bool had_label_since(Oid relid, AttrNumber attnum, TimestampTz since)
{
    static const char query[] = "SELECT FROM wal2lake.label_history WHERE object = $1 AND attnum = $2 "
                                "AND changed_at >= $3 AND coalesce(old_label, new_label) IS NOT NULL "
                                "AND object_type <> 'database' "
                                "AND (attnum <> 0 OR 'exclude' IN (old_label, new_label))";
    Oid types[] = {OIDOID, INT2OID, TIMESTAMPTZOID};
    Datum values[] = {ObjectIdGetDatum(relid), Int16GetDatum(attnum), TimestampTzGetDatum(since)};
    SPIPlanPtr plan;
    Snapshot now;
    bool found;

    SPI_connect();
    plan = SPI_prepare(query, lengthof(types), types);
    now = RegisterSnapshot(GetLatestSnapshot());
    if (plan == NULL ||
        SPI_execute_snapshot(plan, values, NULL, now, InvalidSnapshot, true, false, 1) != SPI_OK_SELECT)
        ereport(ERROR,
                (errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION), errmsg("could not read the trail of labels")));
    found = SPI_processed > 0;
    UnregisterSnapshot(now);
    SPI_finish();
    return found;
}

/*
 * label_declared(object oid, attnum int2, schema_name name, table_name name, column_name
 * name, label text, since timestamptz) returns bool: gives it its declared label, unless
 * it has one, or had one since it was declared; a table that has another one is an error.
 * False if it is not there under that name.
 */
Datum wal2lake_label_declared(PG_FUNCTION_ARGS)
{
    Oid relid = PG_GETARG_OID(0);
    AttrNumber attnum = PG_GETARG_INT16(1);
    const char* schema = NameStr(*PG_GETARG_NAME(2));
    const char* table = NameStr(*PG_GETARG_NAME(3));
    const char* column = NameStr(*PG_GETARG_NAME(4));
    const char* label = text_to_cstring(PG_GETARG_TEXT_PP(5));
    ObjectAddress object;
    char* present;

    lock_for_label(relid);
    if (!is_still_named(relid, attnum, schema, table, column))
        PG_RETURN_BOOL(false);
    ObjectAddressSubSet(object, RelationRelationId, relid, attnum);
    present = GetSecurityLabel(&object, WAL2LAKE_PROVIDER);
    if (present != NULL) {
        /* A column keeps what somebody gave it; a table that was to stay out must not be taken for one that does. */
        if (attnum == 0 && strcmp(present, label) != 0)
            ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                            errmsg("the table is labelled \"%s\"", present)));
    } else if (had_label_since(relid, attnum, PG_GETARG_TIMESTAMPTZ(6)))
        ereport(WARNING, (errmsg("wal2lake did not label %s%s%s as declared",
                                 quote_qualified_identifier(schema, table), attnum != 0 ? "." : "",
                                 attnum != 0 ? quote_identifier(column) : ""),
                          errdetail("It had a label since then, which somebody has taken away."),
                          errhint("It stays without one until the admin labels it.")));
    else
        set_label(relid, attnum, label);
    PG_RETURN_BOOL(true);
}
