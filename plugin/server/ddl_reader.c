/*
 * Rows of wal2lake.ddl, which the event triggers of the extension write, as Ddl
 * records.
 *
 * The table is known by its name and by being a member of the extension, which only
 * its owner, a superuser, can make it: who owns a table or a schema of that name in
 * a database without the extension tells us nothing. Only the trigger may write
 * there. Even so nothing but names and numbers is read: columns of other types do
 * not count, and no output function is called.
 */
#include "server/plugin.h"

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "utils/lsyscache.h"

bool is_own_table(Relation relation)
{
    const char* schema = get_namespace_name(RelationGetNamespace(relation));
    Oid extension;
    const char* name;

    /* Whose member a table is costs a scan: it is asked for the few that may be ours. */
    if ((schema == NULL || strcmp(schema, "wal2lake") != 0) &&
        strcmp(RelationGetRelationName(relation), "ddl") != 0)
        return false;
    extension = getExtensionOfObject(RelationRelationId, RelationGetRelid(relation));
    name = OidIsValid(extension) ? get_extension_name(extension) : NULL;
    return name != NULL && strcmp(name, "wal2lake") == 0;
}

bool is_ddl_table(Relation own_table)
{
    return strcmp(RelationGetRelationName(own_table), "ddl") == 0;
}

/* A row, taken apart. */
typedef struct DdlRow {
    TupleDesc descriptor;
    Datum datums[MaxHeapAttributeNumber];
    bool nulls[MaxHeapAttributeNumber];
} DdlRow;

/* The value of a column of that name and type; false where there is none. */
static bool find_value(const DdlRow* row, const char* column, Oid type, Datum* value)
{
    for (int i = 0; i < row->descriptor->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(row->descriptor, i);

        if (attribute->attisdropped || attribute->atttypid != type ||
            strcmp(NameStr(attribute->attname), column) != 0)
            continue;
        *value = row->datums[i];
        return !row->nulls[i];
    }
    return false;
}

static const char* name_of(Session* session, const DdlRow* row, const char* column)
{
    Datum value;

    return find_value(row, column, NAMEOID, &value) ? utf8_name(session, NameStr(*DatumGetName(value))) : "";
}

static Oid oid_of(const DdlRow* row, const char* column)
{
    Datum value;

    return find_value(row, column, OIDOID, &value) ? DatumGetObjectId(value) : InvalidOid;
}

bool append_ddl(Session* session, Relation relation, HeapTuple tuple)
{
    MemoryContext old = MemoryContextSwitchTo(session->change_context);
    DdlRow* row = palloc(sizeof(DdlRow));
    w2l_ddl record = {0};
    Datum value;

    row->descriptor = RelationGetDescr(relation);
    heap_deform_tuple(tuple, row->descriptor, row->datums, row->nulls);
    /* What a subscription brought tells of the tables of another server. */
    if (!find_value(row, "xid", XIDOID, &value) ||
        DatumGetTransactionId(value) != session->transaction->facts.xid) {
        MemoryContextSwitchTo(old);
        return false;
    }
    record.ordinal = session->transaction->ordinal;
    record.subxid = session->subxid;
    record.kind = w2l_ddl_kind_of(name_of(session, row, "kind"));
    record.oid = oid_of(row, "object");
    record.namespace_ = name_of(session, row, "namespace");
    record.name = name_of(session, row, "name");
    if (find_value(row, "attnum", INT2OID, &value) && DatumGetInt16(value) > 0)
        record.attnum = DatumGetInt16(value);
    record.column = name_of(session, row, "column_name");
    record.old_name = name_of(session, row, "old_name");
    record.parent_oid = oid_of(row, "parent");
    record.parent_namespace = name_of(session, row, "parent_namespace");
    record.parent_name = name_of(session, row, "parent_name");
    batch_append_ddl(session, &record);
    MemoryContextSwitchTo(old);
    return true;
}
