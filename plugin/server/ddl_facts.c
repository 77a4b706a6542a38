/*
 * What a finished DDL statement did to tables, schemas and types that neither rows
 * nor the shape of a table tell, and which columns it added: for the event triggers
 * of the extension (sql/).
 *
 * From the statement only its kind and the names in it are read; never its text, a
 * default or a literal. Runs in backends that decode nothing.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/parsenodes.h"
#include "tcop/deparse_utility.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "server/compat.h"

#include "core/ddl.h"

/* PostgreSQL exports them itself from 16 on. */
extern PGDLLEXPORT Datum wal2lake_added_columns(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum wal2lake_ddl_facts(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(wal2lake_added_columns);
PG_FUNCTION_INFO_V1(wal2lake_ddl_facts);

/* A wal2lake.ddl_fact, in the order of its columns. What is NULL or 0 is NULL there. */
typedef struct Fact {
    w2l_ddl_kind kind;
    Oid object;
    const char* namespace_;
    const char* name;
    AttrNumber attnum;
    const char* column;
    const char* old_name;
    Oid parent;
    const char* parent_namespace;
    const char* parent_name;
} Fact;

#define FACT_COLUMNS 10

static void set_name(const char* name, int column, Datum* values, bool* nulls)
{
    nulls[column] = name == NULL;
    if (name != NULL)
        values[column] = DirectFunctionCall1(namein, CStringGetDatum(name));
}

static void add_fact(ReturnSetInfo* result, const Fact* fact)
{
    Datum values[FACT_COLUMNS] = {0};
    bool nulls[FACT_COLUMNS] = {false};

    set_name(w2l_ddl_kind_name(fact->kind), 0, values, nulls);
    values[1] = ObjectIdGetDatum(fact->object);
    set_name(fact->namespace_, 2, values, nulls);
    set_name(fact->name, 3, values, nulls);
    values[4] = Int16GetDatum(fact->attnum);
    nulls[4] = fact->attnum == 0;
    set_name(fact->column, 5, values, nulls);
    set_name(fact->old_name, 6, values, nulls);
    values[7] = ObjectIdGetDatum(fact->parent);
    nulls[7] = !OidIsValid(fact->parent);
    set_name(fact->parent_namespace, 8, values, nulls);
    set_name(fact->parent_name, 9, values, nulls);
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Tables of users that the stream may speak of, and not the one that these facts go into. */
static bool is_told_of(Oid relid)
{
    char kind = get_rel_relkind(relid);

    return (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE) &&
           get_rel_persistence(relid) != RELPERSISTENCE_TEMP &&
           relid != get_relname_relid("ddl", get_namespace_oid("wal2lake", true));
}

static Fact fact_of_table(w2l_ddl_kind kind, Oid relid)
{
    Fact fact = {kind, relid};

    fact.namespace_ = get_namespace_name(get_rel_namespace(relid));
    fact.name = get_rel_name(relid);
    return fact;
}

static void add_column_fact(ReturnSetInfo* result, w2l_ddl_kind kind, Oid relid, AttrNumber attnum,
                            const char* old_name)
{
    Fact fact = fact_of_table(kind, relid);

    fact.attnum = attnum;
    fact.column = get_attname(relid, attnum, true);
    fact.old_name = old_name;
    add_fact(result, &fact);
}

static void add_type_fact(ReturnSetInfo* result, Oid type)
{
    HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
    Fact fact = {W2L_DDL_ALTER_TYPE, type};

    if (!HeapTupleIsValid(tuple))
        return;
    fact.namespace_ = get_namespace_name(((Form_pg_type)GETSTRUCT(tuple))->typnamespace);
    fact.name = NameStr(((Form_pg_type)GETSTRUCT(tuple))->typname);
    add_fact(result, &fact);
    ReleaseSysCache(tuple);
}

/* A column of that name in the table and in all that inherit it. */
static void add_renamed_column(ReturnSetInfo* result, Oid relid, const RenameStmt* statement)
{
    ListCell* cell;

    foreach (cell, find_all_inheritors(relid, NoLock, NULL)) {
        AttrNumber attnum = get_attnum(lfirst_oid(cell), statement->newname);

        if (attnum > 0 && is_told_of(lfirst_oid(cell)))
            add_column_fact(result, W2L_DDL_RENAME_COLUMN, lfirst_oid(cell), attnum, statement->subname);
    }
}

static void add_renamed(ReturnSetInfo* result, const RenameStmt* statement, ObjectAddress object)
{
    if (object.classId == NamespaceRelationId) {
        Fact fact = {W2L_DDL_RENAME_SCHEMA, object.objectId};

        fact.name = statement->newname;
        fact.old_name = statement->subname;
        add_fact(result, &fact);
    } else if (object.classId == RelationRelationId && object.objectSubId > 0)
        add_renamed_column(result, object.objectId, statement);
    else if (object.classId == RelationRelationId && is_told_of(object.objectId)) {
        Fact fact = fact_of_table(W2L_DDL_RENAME_TABLE, object.objectId);

        fact.old_name = statement->relation->relname;
        add_fact(result, &fact);
    }
}

static void add_moved(ReturnSetInfo* result, ObjectAddress object, ObjectAddress old_schema)
{
    Fact fact;

    if (object.classId != RelationRelationId || !is_told_of(object.objectId) ||
        old_schema.objectId == get_rel_namespace(object.objectId))
        return;
    fact = fact_of_table(W2L_DDL_SET_SCHEMA, object.objectId);
    fact.old_name = get_namespace_name(old_schema.objectId);
    add_fact(result, &fact);
}

/*
 * The table of a partition command: of those of that name the one that this
 * transaction changed last. PostgreSQL 15 does not tell, and the trigger has another
 * search path than the statement.
 */
static Oid partition_of(const AlterTableCmd* command)
{
    const RangeVar* name = castNode(PartitionCmd, command->def)->name;
    Relation catalog = table_open(RelationRelationId, AccessShareLock);
    CommandId latest = 0;
    Oid found = InvalidOid;
    ScanKeyData key;
    SysScanDesc scan;
    HeapTuple tuple;

    ScanKeyInit(&key, Anum_pg_class_relname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum(name->relname));
    scan = systable_beginscan(catalog, ClassNameNspIndexId, true, NULL, 1, &key);
    while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
        Form_pg_class form = (Form_pg_class)GETSTRUCT(tuple);

        if ((name->schemaname != NULL && form->relnamespace != get_namespace_oid(name->schemaname, true)) ||
            !TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)) ||
            HeapTupleHeaderGetCmin(tuple->t_data) < latest)
            continue;
        latest = HeapTupleHeaderGetCmin(tuple->t_data);
        found = form->oid;
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
    return found;
}

static void add_partition(ReturnSetInfo* result, w2l_ddl_kind kind, const CollectedATSubcmd* part, Oid parent)
{
    Oid partition = part->address.objectId;
    Fact fact;

    if (!OidIsValid(partition))
        partition = partition_of((const AlterTableCmd*)part->parsetree);

    /* Neither an index nor a foreign table. */
    if (!is_told_of(partition) || !is_told_of(parent))
        return;
    fact = fact_of_table(kind, partition);
    fact.parent = parent;
    fact.parent_namespace = get_namespace_name(get_rel_namespace(parent));
    fact.parent_name = get_rel_name(parent);
    add_fact(result, &fact);
}

static void add_altered(ReturnSetInfo* result, const CollectedCommand* command)
{
    Oid relid = command->d.alterTable.objectId;
    ListCell* cell;

    /* Its attributes changed: nothing else can be altered so. */
    if (get_rel_relkind(relid) == RELKIND_COMPOSITE_TYPE) {
        add_type_fact(result, get_rel_type_id(relid));
        return;
    }
    foreach (cell, command->d.alterTable.subcmds) {
        const CollectedATSubcmd* part = lfirst(cell);

        if (!IsA(part->parsetree, AlterTableCmd))
            continue;
        switch (((const AlterTableCmd*)part->parsetree)->subtype) {
        case AT_AlterColumnType:
            if (part->address.objectSubId > 0 && is_told_of(part->address.objectId))
                add_column_fact(result, W2L_DDL_ALTER_COLUMN_TYPE, part->address.objectId,
                                (AttrNumber)part->address.objectSubId, NULL);
            break;
        case AT_AttachPartition:
            add_partition(result, W2L_DDL_ATTACH_PARTITION, part, relid);
            break;
        case AT_DetachPartition:
        case AT_DetachPartitionFinalize:
            add_partition(result, W2L_DDL_DETACH_PARTITION, part, relid);
            break;
        default:
            break;
        }
    }
}

/* ddl_facts(command pg_ddl_command) returns setof wal2lake.ddl_fact */
Datum wal2lake_ddl_facts(PG_FUNCTION_ARGS)
{
    const CollectedCommand* command = (const CollectedCommand*)PG_GETARG_POINTER(0);
    ReturnSetInfo* result = (ReturnSetInfo*)fcinfo->resultinfo;

    InitMaterializedSRF(fcinfo, 0);
    if (result->setDesc->natts != FACT_COLUMNS)
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("wal2lake.ddl_fact is not of the version of the library"),
                        errhint("Run ALTER EXTENSION wal2lake UPDATE.")));
    if (command->type == SCT_AlterTable)
        add_altered(result, command);
    else if (command->type == SCT_Simple) {
        switch (nodeTag(command->parsetree)) {
        case T_RenameStmt:
            add_renamed(result, (const RenameStmt*)command->parsetree, command->d.simple.address);
            break;
        case T_AlterObjectSchemaStmt:
            add_moved(result, command->d.simple.address, command->d.simple.secondaryObject);
            break;
        case T_AlterEnumStmt:
            /* A label that is added changes no value. */
            if (((const AlterEnumStmt*)command->parsetree)->oldVal != NULL)
                add_type_fact(result, command->d.simple.address.objectId);
            break;
        default:
            break;
        }
    }
    return (Datum)0;
}

static void add_column(ReturnSetInfo* result, Oid relid, AttrNumber attnum)
{
    Datum values[2] = {ObjectIdGetDatum(relid), Int16GetDatum(attnum)};
    bool nulls[2] = {false, false};

    if (is_told_of(relid))
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * What tables that inherit got of it. One that had a column of that name still has its
 * own, or inherits it from elsewhere too; below such a one nothing was written.
 */
static void add_inherited_columns(ReturnSetInfo* result, Oid relid, const char* name)
{
    List* parents;
    List* children = find_all_inheritors(relid, NoLock, &parents);
    ListCell* child;
    ListCell* count;

    forboth(child, children, count, parents)
    {
        HeapTuple tuple = lfirst_oid(child) != relid ? SearchSysCacheAttName(lfirst_oid(child), name) : NULL;
        Form_pg_attribute attribute;

        if (!HeapTupleIsValid(tuple))
            continue;
        attribute = (Form_pg_attribute)GETSTRUCT(tuple);
        if (!attribute->attislocal && attribute->attinhcount == lfirst_int(count) &&
            TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)))
            add_column(result, lfirst_oid(child), attribute->attnum);
        ReleaseSysCache(tuple);
    }
}

/* added_columns(command pg_ddl_command) returns table (relation oid, attnum int2): of ALTER, not of CREATE */
Datum wal2lake_added_columns(PG_FUNCTION_ARGS)
{
    const CollectedCommand* command = (const CollectedCommand*)PG_GETARG_POINTER(0);
    ReturnSetInfo* result = (ReturnSetInfo*)fcinfo->resultinfo;
    ListCell* cell;

    InitMaterializedSRF(fcinfo, 0);
    if (command->type != SCT_AlterTable)
        return (Datum)0;
    foreach (cell, command->d.alterTable.subcmds) {
        const CollectedATSubcmd* part = lfirst(cell);
        const AlterTableCmd* statement = (const AlterTableCmd*)part->parsetree;

        /* Without a number there was one of that name: ADD COLUMN IF NOT EXISTS. */
        if (!IsA(statement, AlterTableCmd) || !adds_column(statement->subtype) ||
            part->address.objectSubId <= 0)
            continue;
        add_column(result, part->address.objectId, (AttrNumber)part->address.objectSubId);
        add_inherited_columns(result, part->address.objectId, castNode(ColumnDef, statement->def)->colname);
    }
    return (Datum)0;
}
