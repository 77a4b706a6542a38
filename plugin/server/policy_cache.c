/*
 * The one decision, per table, cached.
 *
 * A decision folds the labels of then and now, of the table and, in a partition,
 * of its ancestors, and is good until something invalidates it: a relcache
 * message for the table or an ancestor (our label hook raises one), a change of a
 * type or schema, or its age at the first use in a transaction, which bounds what
 * a direct edit of the catalog can escape.
 *
 * Invalidation only marks: an entry may be in use when the message arrives.
 */
#include "server/plugin.h"

#include "access/sysattr.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/bitmapset.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define DECISION_MAX_AGE_MS 1000

/* The session whose entries callbacks mark; NULL when no decoding is set up in this backend. */
static Session* active_session = NULL;

/* ---- invalidation ---- */

/* Marks the table and, where one is partitioned, what lies below it. InvalidOid: all. */
static void mark_stale(Oid relid)
{
    HASH_SEQ_STATUS scan;
    Table* table;

    if (active_session == NULL)
        return;
    /* Its ancestors are not known yet, so anything may concern it. */
    if (active_session->renewing != NULL)
        active_session->renewing->valid = false;
    if (OidIsValid(relid)) {
        table = hash_search(active_session->relations, &relid, HASH_FIND, NULL);
        if (table != NULL)
            table->valid = false;
        /* Every temporary table ends here: walk all entries only where one has ancestors. */
        if (!active_session->has_partitions)
            return;
    }
    hash_seq_init(&scan, active_session->relations);
    while ((table = hash_seq_search(&scan)) != NULL) {
        if (!OidIsValid(relid))
            table->valid = false;
        for (int i = 0; i < table->ancestor_count; i++)
            if (table->ancestors[i] == relid)
                table->valid = false;
    }
}

static void relation_changed(Datum argument, Oid relid)
{
    mark_stale(relid);
}

static void type_or_schema_changed(Datum argument, int cache, uint32 hash)
{
    mark_stale(InvalidOid);
}

/* Callbacks cannot be unregistered, so once in the life of the process. */
static void register_callbacks(void)
{
    static bool registered = false;

    if (registered)
        return;
    registered = true;
    CacheRegisterRelcacheCallback(relation_changed, (Datum)0);
    CacheRegisterSyscacheCallback(TYPEOID, type_or_schema_changed, (Datum)0);
    CacheRegisterSyscacheCallback(NAMESPACEOID, type_or_schema_changed, (Datum)0);
}

static void forget_session(void* argument)
{
    active_session = NULL;
}

void policy_cache_create(Session* session)
{
    MemoryContextCallback* callback = MemoryContextAllocZero(session->context->context, sizeof(*callback));
    HASHCTL control = {0};

    control.keysize = sizeof(Oid);
    control.entrysize = sizeof(Table);
    control.hcxt = session->context->context;
    session->relations = hash_create("wal2lake tables", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

    callback->func = forget_session;
    MemoryContextRegisterResetCallback(session->context->context, callback);
    active_session = session;
    register_callbacks();
}

/* ---- deciding ---- */

/* Deeper than anyone nests partitions; a table below that is not emitted. */
#define MAX_LINEAGE 64

/* A table and its ancestors with their labels at both moments. */
typedef struct Lineage {
    int count; /* 1 + ancestors */
    Oid relids[MAX_LINEAGE];
    TableLabels* labels[MAX_LINEAGE][2]; /* by Moment */
} Lineage;

static bool read_lineage(Relation relation, Lineage* lineage)
{
    lineage->count = 1;
    lineage->relids[0] = RelationGetRelid(relation);
    if (relation->rd_rel->relispartition) {
        List* ancestors = get_partition_ancestors(RelationGetRelid(relation));
        ListCell* cell;

        if (list_length(ancestors) >= MAX_LINEAGE)
            return false;
        foreach (cell, ancestors)
            lineage->relids[lineage->count++] = lfirst_oid(cell);
    }
    for (int i = 0; i < lineage->count; i++)
        for (Moment moment = THEN; moment <= NOW; moment++) {
            int columns = i == 0 ? RelationGetDescr(relation)->natts : MaxHeapAttributeNumber;

            lineage->labels[i][moment] = read_table_labels(lineage->relids[i], columns, moment);
        }
    return true;
}

/*
 * Verdict on one column at one moment: the strictest along the lineage. A
 * partition that inherits is silent on columns it does not label.
 */
static w2l_verdict decide_at(const Lineage* lineage, const AttrNumber* attnums, Moment moment, bool is_key,
                             w2l_type type)
{
    w2l_verdict verdict = w2l_no_verdict();

    for (int i = 0; i < lineage->count; i++) {
        const TableLabels* labels = lineage->labels[i][moment];
        AttrNumber attnum = attnums[i];
        const char* text;
        bool is_root = i == lineage->count - 1;

        if (attnum <= 0 || !labels->exists || !labels->column_exists[attnum - 1])
            continue;
        text = labels->column_labels[attnum - 1];
        if (text != NULL)
            verdict = w2l_stricter(verdict, w2l_verdict_of_label(text, strlen(text), type));
        else if (is_root || labels->table != W2L_TABLE_INHERIT)
            verdict = w2l_stricter(verdict, w2l_verdict_unlabelled(is_key, type));
    }
    return verdict;
}

/* Verdict on one column. What says nothing at either moment is withheld. */
static w2l_verdict decide(const Lineage* lineage, const char* column_name, AttrNumber attnum, bool is_key,
                          w2l_type type)
{
    AttrNumber attnums[MAX_LINEAGE];
    w2l_verdict verdict;

    attnums[0] = attnum;
    for (int i = 1; i < lineage->count; i++)
        attnums[i] = get_attnum(lineage->relids[i], column_name);
    verdict = w2l_stricter(decide_at(lineage, attnums, THEN, is_key, type),
                           decide_at(lineage, attnums, NOW, is_key, type));
    if (verdict.action == W2L_ACTION_NONE)
        verdict.action = W2L_ACTION_DROP;
    return verdict;
}

/* A table leaves the server if it is excluded at no moment, and labelled at all of those at which it exists. */
static bool decide_emission(const Lineage* lineage)
{
    for (Moment moment = THEN; moment <= NOW; moment++) {
        bool labelled = false;
        bool exists = false;

        for (int i = 0; i < lineage->count; i++) {
            const TableLabels* labels = lineage->labels[i][moment];

            if (!labels->exists)
                continue;
            exists = true;
            if (labels->table == W2L_TABLE_EXCLUDE)
                return false;
            labelled |= labels->labelled_count > 0;
        }
        if (exists && !labelled)
            return false;
    }
    return true;
}

/* ---- building an entry; all of this allocates in the entry's context ---- */

static const char* type_name(Session* session, Oid type)
{
    HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
    Form_pg_type form;
    char* namespace_;
    char* name;

    if (!HeapTupleIsValid(tuple))
        return "";
    form = (Form_pg_type)GETSTRUCT(tuple);
    namespace_ = get_namespace_name(form->typnamespace);
    name = psprintf("%s.%s", namespace_ != NULL ? namespace_ : "", NameStr(form->typname));
    ReleaseSysCache(tuple);
    return utf8_name(session, name);
}

/* Named domains are those of labels; the rest is the column's own. */
static const char* domain_name(const Table* table, const w2l_verdict* verdict, const char* column)
{
    char* domain;

    if (verdict->domain != NULL)
        return pnstrdup(verdict->domain, verdict->domain_length);
    domain = palloc(W2L_MAX_DOMAIN + 1);
    report_status(
        w2l_default_domain(table->wire.root_oid != 0 ? table->wire.root_namespace : table->wire.namespace_,
                           table->wire.root_oid != 0 ? table->wire.root_name : table->wire.name, column,
                           domain, W2L_MAX_DOMAIN + 1),
        "naming a domain");
    return domain;
}

static void build_column(Session* session, Table* table, const Lineage* lineage, Form_pg_attribute attribute,
                         Bitmapset* primary_key, Bitmapset* identity, Bitmapset* key, Column* column)
{
    Oid base_type = getBaseType(attribute->atttypid);
    w2l_type type = w2l_type_of(base_type, type_is_enum(base_type));
    bool names_rows =
        bms_is_member(attribute->attnum, primary_key) || bms_is_member(attribute->attnum, identity);
    w2l_verdict verdict = decide(lineage, NameStr(attribute->attname), attribute->attnum, names_rows, type);
    w2l_column* wire = column->wire;

    column->attnum = attribute->attnum;
    column->is_varlena = attribute->attlen == -1;
    column->type = type;
    column->read = choose_reader(verdict.action, type, base_type);

    wire->attnum = attribute->attnum;
    wire->name = utf8_name(session, NameStr(attribute->attname));
    wire->type_oid = attribute->atttypid;
    wire->type_name = type_name(session, attribute->atttypid);
    wire->typmod = attribute->atttypmod;
    wire->base_type_oid = base_type;
    wire->element_type_oid = get_element_type(base_type);
    wire->is_key = bms_is_member(attribute->attnum, key);
    wire->class_ = verdict.class_;
    wire->action = verdict.action;
    wire->domain = verdict.action == W2L_ACTION_HASH ? domain_name(table, &verdict, wire->name) : "";
    wire->encoding = type.encoding;
}

static void build_names(Session* session, Table* table, Relation relation, const Lineage* lineage)
{
    w2l_relation* wire = &table->wire;
    const char* namespace_ = get_namespace_name(RelationGetNamespace(relation));

    memset(wire, 0, sizeof(*wire));
    wire->oid = RelationGetRelid(relation);
    wire->namespace_ = utf8_name(session, namespace_ != NULL ? namespace_ : "");
    wire->name = utf8_name(session, RelationGetRelationName(relation));
    wire->root_namespace = "";
    wire->root_name = "";
    wire->key_id = "";
    strlcpy(table->namespace_, wire->namespace_, NAMEDATALEN);
    strlcpy(table->name, wire->name, NAMEDATALEN);
    if (lineage->count > 1) {
        Oid root = lineage->relids[lineage->count - 1];
        const char* root_name = get_rel_name(root);
        const char* root_namespace = get_namespace_name(get_rel_namespace(root));

        wire->root_oid = root;
        wire->root_name = utf8_name(session, root_name != NULL ? root_name : "");
        wire->root_namespace = utf8_name(session, root_namespace != NULL ? root_namespace : "");
    }
}

static w2l_replica_identity replica_identity(Relation relation, Bitmapset* identity)
{
    switch (relation->rd_rel->relreplident) {
    case REPLICA_IDENTITY_FULL:
        return W2L_IDENTITY_FULL;
    case REPLICA_IDENTITY_DEFAULT:
        return bms_is_empty(identity) ? W2L_IDENTITY_NOTHING : W2L_IDENTITY_DEFAULT;
    case REPLICA_IDENTITY_INDEX:
        return bms_is_empty(identity) ? W2L_IDENTITY_NOTHING : W2L_IDENTITY_INDEX;
    default:
        return W2L_IDENTITY_NOTHING;
    }
}

static void build_columns(Session* session, Table* table, Relation relation, const Lineage* lineage)
{
    TupleDesc descriptor = RelationGetDescr(relation);
    Bitmapset* primary_key;
    Bitmapset* identity;
    Bitmapset* key;
    w2l_column* wire = palloc0(sizeof(w2l_column) * Max(descriptor->natts, 1));

    read_key_columns(relation, &primary_key, &identity);
    table->wire.replica_identity = replica_identity(relation, identity);
    key = bms_is_empty(identity) ? primary_key : identity;

    table->columns = palloc0(sizeof(Column) * Max(descriptor->natts, 1));
    for (int i = 0; i < descriptor->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

        Column* column = &table->columns[table->column_count];

        /* A NULL in the place of a virtual column would be untrue. */
        if (attribute->attisdropped || is_virtual(attribute))
            continue;
        column->wire = &wire[table->column_count++];
        build_column(session, table, lineage, attribute, primary_key, identity, key, column);
        table->key_count += column->wire->is_key;
    }
    table->wire.columns = wire;
    table->wire.column_count = table->column_count;
    table->new_values = palloc0(sizeof(w2l_value) * Max(table->column_count, 1));
    table->old_values = palloc0(sizeof(w2l_value) * Max(table->column_count, 1));
}

/*
 * Without a key a column that no label wants hashed is withheld: an unlabelled
 * key must not stop a source that hashes nothing. It happens for green and yellow
 * columns as well, for rows that were written before they had a label.
 */
static bool can_do_without_key(Column* column)
{
    return column->wire->class_ <= W2L_CLASS_YELLOW;
}

static void withhold(Column* column)
{
    column->read = NULL;
    column->wire->action = W2L_ACTION_DROP;
    column->wire->domain = "";
}

/* Finds the key of every hashed column's domain. Where a label asks for one and there is none, decoding stops. */
static void build_keys(Session* session, Table* table)
{
    const char* key_id = NULL;

    for (int i = 0; i < table->column_count; i++) {
        Column* column = &table->columns[i];

        if (column->wire->action != W2L_ACTION_HASH)
            continue;
        if (key_id == NULL)
            key_id = key_ring_choose(session->keys, read_database_label(THEN), read_database_label(NOW));
        if (key_id != NULL)
            column->domain = key_ring_domain(session->keys, key_id, column->wire->domain);
        else if (can_do_without_key(column))
            withhold(column);
        else
            ereport(ERROR,
                    (errcode(ERRCODE_CONFIG_FILE_ERROR),
                     errmsg("column %d of table \"%s.%s\" is to be hashed and there is no key",
                            column->attnum, table->namespace_, table->name),
                     errhint("Set wal2lake.key_file and reload the server; the stream goes on from here.")));
    }
    table->wire.key_id = key_id != NULL ? pstrdup(key_id) : "";
}

static void build_ancestors(Session* session, Table* table, const Lineage* lineage)
{
    table->ancestors = palloc(sizeof(Oid) * lineage->count);
    table->ancestor_count = lineage->count - 1;
    session->has_partitions |= table->ancestor_count > 0;
    for (int i = 1; i < lineage->count; i++)
        table->ancestors[i - 1] = lineage->relids[i];
}

static void renew_decision(Session* session, Table* table, Relation relation)
{
    MemoryContext old;
    Lineage* lineage;
    uint64 schema_id;
    uint32 id = table->wire.id;

    if (table->context != NULL)
        MemoryContextReset(table->context);
    else
        table->context =
            AllocSetContextCreate(session->context->context, "wal2lake table", ALLOCSET_SMALL_SIZES);
    table->ancestor_count = 0;
    table->column_count = 0;
    table->key_count = 0;
    table->emitted = false;

    /* What the scans leave behind is the change's; what is kept is the table's. */
    old = MemoryContextSwitchTo(session->change_context);
    lineage = palloc(sizeof(Lineage));
    /* Valid from here: an invalidation that arrives while we read marks it again. */
    table->valid = true;
    session->renewing = table;
    table->decided_at = session->now;
    table->tells_ddl = is_ddl_table(relation);
    /* No label makes rows of that one leave as rows. */
    table->emitted = read_lineage(relation, lineage) && !table->tells_ddl && decide_emission(lineage);
    MemoryContextSwitchTo(table->context);
    build_names(session, table, relation, lineage);
    build_ancestors(session, table, lineage);
    if (table->emitted) {
        build_columns(session, table, relation, lineage);
        build_keys(session, table);
        read_missing_values(session, table, relation);
        report_status(w2l_relation_schema_id(&table->wire, &schema_id), "naming a schema");
        if (id == 0 || schema_id != table->schema_id) {
            id = ++session->next_relation_id;
            table->schema_id = schema_id;
            table->announced = false;
        }
    }
    table->wire.id = id;
    session->renewing = NULL;
    MemoryContextSwitchTo(old);
}

Table* lookup_table(Session* session, Relation relation)
{
    Oid relid = RelationGetRelid(relation);
    Table* table = session->last;
    bool found;

    /* Labels that changed since are at work before the next frame is opened. */
    if (session->batch.length == 0)
        AcceptInvalidationMessages();

    if (table == NULL || table->relid != relid) {
        table = hash_search(session->relations, &relid, HASH_ENTER, &found);
        if (!found) {
            memset(table, 0, sizeof(*table));
            table->relid = relid;
        }
        session->last = table;
    }
    if (table->checked_in != session->replay_number) {
        if (table->valid && TimestampDifferenceExceeds(table->decided_at, session->now, DECISION_MAX_AGE_MS))
            table->valid = false;
        table->checked_in = session->replay_number;
    }
    if (!table->valid)
        renew_decision(session, table, relation);
    return table;
}
