/*
 * The rows are written here, by the hook that judges the change, and not by an event
 * trigger: when that runs the old label is gone, it can be switched off, and it does
 * not see what we label ourselves when partitions are made and moved.
 *
 * Nobody has a privilege on the table, so none is asked for. Columns are found by
 * name: a later version of the extension may have others.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "server/compat.h"

#include "policy/label_history.h"

/* InvalidOid where the extension is not there, or not in this version. */
static Oid history_table(void)
{
    Oid extension = get_extension_oid("wal2lake", true);
    Oid schema = get_namespace_oid("wal2lake", true);
    Oid table = OidIsValid(schema) ? get_relname_relid("label_history", schema) : InvalidOid;

    if (!OidIsValid(extension) || !OidIsValid(table) ||
        getExtensionOfObject(RelationRelationId, table) != extension ||
        get_rel_relkind(table) != RELKIND_RELATION)
        return InvalidOid;
    return table;
}

static void set_column(TupleTableSlot* row, const char* name, Oid type, Datum value)
{
    TupleDesc descriptor = row->tts_tupleDescriptor;

    for (int i = 0; i < descriptor->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

        if (attribute->attisdropped || attribute->atttypid != type ||
            strcmp(NameStr(attribute->attname), name) != 0)
            continue;
        row->tts_values[i] = value;
        row->tts_isnull[i] = false;
    }
}

static void set_text(TupleTableSlot* row, const char* name, const char* text)
{
    if (text != NULL)
        set_column(row, name, TEXTOID, CStringGetTextDatum(text));
}

static void set_role(TupleTableSlot* row, const char* name, Oid role)
{
    char* rolename = GetUserNameFromId(role, true);

    if (rolename != NULL)
        set_column(row, name, NAMEOID, DirectFunctionCall1(namein, CStringGetDatum(rolename)));
}

/* There may be others than ours, also of expressions: whoever looks by one must find the row. */
static void enter_into_indexes(Relation relation, TupleTableSlot* row)
{
    EState* state = CreateExecutorState();
    ResultRelInfo* result = makeNode(ResultRelInfo);

    InitResultRelInfo(result, relation, 0, NULL, 0);
    ExecOpenIndices(result, false);
    if (result->ri_NumIndices > 0)
        list_free(insert_index_tuples(result, row, state));
    ExecCloseIndices(result);
    FreeExecutorState(state);
}

void keep_label_change(const ObjectAddress* object, const char* old_label, const char* new_label)
{
    Oid table = history_table();
    Relation relation;
    TupleTableSlot* row;

    if (!OidIsValid(table))
        return;
    relation = table_open(table, RowExclusiveLock);
    row = table_slot_create(relation, NULL);
    ExecClearTuple(row);
    memset(row->tts_isnull, true, sizeof(bool) * row->tts_tupleDescriptor->natts);
    set_column(row, "changed_at", TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp()));
    set_role(row, "session_role", GetSessionUserId());
    set_role(row, "changed_by", GetOuterUserId());
    set_role(row, "ran_as", GetUserId());
    set_text(row, "object_type", getObjectTypeDescription(object, false));
    set_text(row, "object_identity", getObjectIdentity(object, false));
    set_column(row, "object", OIDOID, ObjectIdGetDatum(object->objectId));
    set_column(row, "attnum", INT2OID, Int16GetDatum((int16)object->objectSubId));
    set_text(row, "old_label", old_label);
    set_text(row, "new_label", new_label);
    ExecStoreVirtualTuple(row);
    simple_table_tuple_insert(relation, row);
    enter_into_indexes(relation, row);
    ExecDropSingleTupleTableSlot(row);
    table_close(relation, NoLock);
}
