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
#include "common/hashfn.h"
#include "nodes/bitmapset.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/*
 * What decisions may take, and how many keys of domains are held at about 350 bytes each.
 * Beyond, those that were not used for longest are forgotten, and made again when they are needed.
 */
#define MAX_DECIDED_BYTES ((Size)40 * 1024 * 1024)
#define MAX_DOMAINS 32768

#define TABLES_IN_BLOCK 64
/* Of a table at each change: 16 bytes an entry stay in a processor's cache when tables do not. */
typedef struct TableByOid {
    Oid relid;
    char status;
    Table* table;
} TableByOid;

#define SH_PREFIX tables
#define SH_ELEMENT_TYPE TableByOid
#define SH_KEY_TYPE Oid
#define SH_KEY relid
#define SH_HASH_KEY(hash, key) murmurhash32(key)
#define SH_EQUAL(hash, one, other) ((one) == (other))
#define SH_SCOPE static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

/* The session whose entries callbacks mark; NULL when no decoding is set up in this backend. */
static Session* active_session = NULL;

/* ---- invalidation ---- */

/* Marks the table and, where one is partitioned, what lies below it. InvalidOid: all. */
static void mark_stale(Oid relid)
{
    slist_iter entry;

    if (active_session == NULL)
        return;
    /* Its ancestors are not known yet, so anything may concern it. */
    if (active_session->renewing != NULL)
        active_session->renewing->valid = false;
    if (OidIsValid(relid)) {
        TableByOid* found = tables_lookup(active_session->tables_by_oid, relid);

        if (found != NULL)
            found->table->valid = false;
        /* Every temporary table ends here: walk all entries only where one has ancestors. */
        if (!active_session->has_partitions)
            return;
    }
    slist_foreach(entry, &active_session->tables)
    {
        Table* table = slist_container(Table, all, entry.cur);

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

    session->tables_by_oid = tables_create(session->context->context, 256, NULL);
    slist_init(&session->tables);
    dlist_init(&session->decided);
    callback->func = forget_session;
    MemoryContextRegisterResetCallback(session->context->context, callback);
    active_session = session;
    register_callbacks();
}

void policy_cache_forget_all(Session* session)
{
    mark_stale(InvalidOid);
}

/* ---- deciding ---- */

/* Deeper than anyone nests partitions; a table below that is not emitted. */
#define MAX_LINEAGE 64

/* A table and its ancestors with their labels at both moments. */
typedef struct Lineage {
    int count;     /* 1 + ancestors */
    bool too_deep; /* the ancestors were not read */
    Oid relids[MAX_LINEAGE];
    TableLabels* labels[MAX_LINEAGE][2]; /* by Moment */
} Lineage;

static void read_ancestors(Relation relation, Lineage* lineage)
{
    lineage->count = 1;
    lineage->too_deep = false;
    lineage->relids[0] = RelationGetRelid(relation);
    if (relation->rd_rel->relispartition) {
        List* ancestors = get_partition_ancestors(RelationGetRelid(relation));
        ListCell* cell;

        lineage->too_deep = list_length(ancestors) >= MAX_LINEAGE;
        if (lineage->too_deep)
            return;
        foreach (cell, ancestors)
            lineage->relids[lineage->count++] = lfirst_oid(cell);
    }
}

static void read_lineage_labels(Relation relation, Lineage* lineage)
{
    for (int i = 0; i < lineage->count; i++)
        for (Moment moment = THEN; moment <= NOW; moment++) {
            int columns = i == 0 ? RelationGetDescr(relation)->natts : MaxHeapAttributeNumber;

            lineage->labels[i][moment] = read_table_labels(lineage->relids[i], columns, moment);
        }
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

/* At one of the moments, it or an ancestor. */
static bool is_excluded(const Lineage* lineage)
{
    for (Moment moment = THEN; moment <= NOW; moment++)
        for (int i = 0; i < lineage->count; i++)
            if (lineage->labels[i][moment]->exists && lineage->labels[i][moment]->table == W2L_TABLE_EXCLUDE)
                return true;
    return false;
}

/* A table leaves the server if it is labelled at all moments at which it exists. */
static bool is_labelled(const Lineage* lineage)
{
    for (Moment moment = THEN; moment <= NOW; moment++) {
        bool labelled = false;
        bool exists = false;

        for (int i = 0; i < lineage->count; i++) {
            const TableLabels* labels = lineage->labels[i][moment];

            if (!labels->exists)
                continue;
            exists = true;
            labelled |= labels->labelled_count > 0;
        }
        if (exists && !labelled)
            return false;
    }
    return true;
}

/* ---- building an entry; what is not kept() goes once it is built ---- */

static const char* kept(const Table* table, const char* text)
{
    return text[0] == '\0' ? "" : MemoryContextStrdup(table->context, text);
}

static const char* kept_name(Session* session, const Table* table, const char* name)
{
    return name != NULL ? kept(table, utf8_name(session, name)) : "";
}

/* Columns of one type share its name. */
static const char* type_name(Session* session, const Table* table, Oid type)
{
    HeapTuple tuple;
    Form_pg_type form;
    char* namespace_;
    char* name;

    for (int i = 0; i < table->column_count; i++)
        if (table->columns[i].wire->type_oid == type)
            return table->columns[i].wire->type_name;
    tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
    if (!HeapTupleIsValid(tuple))
        return "";
    form = (Form_pg_type)GETSTRUCT(tuple);
    namespace_ = get_namespace_name(form->typnamespace);
    name = psprintf("%s.%s", namespace_ != NULL ? namespace_ : "", NameStr(form->typname));
    ReleaseSysCache(tuple);
    return kept_name(session, table, name);
}

/* Named domains are those of labels; the rest is the column's own. */
static const char* domain_name(const Table* table, const w2l_verdict* verdict, const char* column)
{
    char domain[W2L_MAX_DOMAIN + 1];

    if (verdict->domain != NULL)
        return kept(table, pnstrdup(verdict->domain, verdict->domain_length));
    report_status(
        w2l_default_domain(table->wire.root_oid != 0 ? table->wire.root_namespace : table->wire.namespace_,
                           table->wire.root_oid != 0 ? table->wire.root_name : table->wire.name, column,
                           domain, sizeof(domain)),
        "naming a domain");
    return kept(table, domain);
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
    column->is_foreign = type.encoding == W2L_ENCODING_OUTPUT_TEXT && output_is_foreign(base_type);
    column->type = type;
    column->read = choose_reader(verdict.action, type, base_type);

    wire->attnum = attribute->attnum;
    wire->name = kept_name(session, table, NameStr(attribute->attname));
    wire->type_name = type_name(session, table, attribute->atttypid);
    wire->type_oid = attribute->atttypid;
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

    memset(wire, 0, sizeof(*wire));
    wire->oid = RelationGetRelid(relation);
    wire->namespace_ = kept_name(session, table, get_namespace_name(RelationGetNamespace(relation)));
    wire->name = kept_name(session, table, RelationGetRelationName(relation));
    wire->root_namespace = "";
    wire->root_name = "";
    wire->key_id = "";
    strlcpy(table->namespace_, wire->namespace_, NAMEDATALEN);
    strlcpy(table->name, wire->name, NAMEDATALEN);
    if (lineage->count > 1) {
        Oid root = lineage->relids[lineage->count - 1];

        wire->root_oid = root;
        wire->root_name = kept_name(session, table, get_rel_name(root));
        wire->root_namespace = kept_name(session, table, get_namespace_name(get_rel_namespace(root)));
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

/* A NULL in the place of a virtual column would be untrue. */
static bool is_sent(Form_pg_attribute attribute)
{
    return !attribute->attisdropped && !is_virtual(attribute);
}

static void build_columns(Session* session, Table* table, Relation relation, const Lineage* lineage)
{
    TupleDesc descriptor = RelationGetDescr(relation);
    Bitmapset* primary_key;
    Bitmapset* identity;
    Bitmapset* key;
    w2l_column* wire;
    int count = 0;

    for (int i = 0; i < descriptor->natts; i++)
        count += is_sent(TupleDescAttr(descriptor, i));
    wire = MemoryContextAllocZero(table->context, sizeof(w2l_column) * Max(count, 1));
    table->columns = MemoryContextAllocZero(table->context, sizeof(Column) * Max(count, 1));
    read_key_columns(relation, &primary_key, &identity);
    table->wire.replica_identity = replica_identity(relation, identity);
    key = bms_is_empty(identity) ? primary_key : identity;

    for (int i = 0; i < descriptor->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
        Column* column = &table->columns[table->column_count];

        if (!is_sent(attribute))
            continue;
        column->wire = &wire[table->column_count];
        build_column(session, table, lineage, attribute, primary_key, identity, key, column);
        table->column_count++;
        table->key_count += column->wire->is_key;
    }
    table->wire.columns = wire;
    table->wire.column_count = table->column_count;
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
    table->wire.key_id = key_id != NULL ? kept(table, key_id) : "";
}

static void build_ancestors(Session* session, Table* table, const Lineage* lineage)
{
    table->ancestors = MemoryContextAlloc(table->context, sizeof(Oid) * lineage->count);
    table->ancestor_count = lineage->count - 1;
    session->has_partitions |= table->ancestor_count > 0;
    for (int i = 1; i < lineage->count; i++)
        table->ancestors[i - 1] = lineage->relids[i];
}

/* ---- what is kept ---- */

/* What an entry takes changes with its decision, and by what is looked up of output functions. */
static void count_bytes(Session* session, Table* table)
{
    Size held = table->context != NULL ? MemoryContextMemAllocated(table->context, false) : 0;

    session->decided_bytes = session->decided_bytes - table->held + held;
    table->held = held;
    table->grew = false;
}

/* Id, schema and counters stay: if the next decision is the same, the table need not be announced again. */
static void forget_decision(Session* session, Table* table)
{
    dlist_delete(&table->decided);
    MemoryContextDelete(table->context);
    table->context = NULL;
    count_bytes(session, table);
    table->valid = false;
    table->ancestor_count = 0;
    table->column_count = 0;
    table->key_count = 0;
    if (session->last == table)
        session->last = NULL;
}

/*
 * Makes room, but never of what is in use. Who was used since we passed here gets
 * another turn: nearly what was not used for longest, and a use costs nothing.
 */
static void forget_the_oldest(Session* session, const Table* in_use)
{
    while (session->decided_bytes > MAX_DECIDED_BYTES) {
        Table* table = dlist_tail_element(Table, decided, &session->decided);
        bool is_only_one = !dlist_has_prev(&session->decided, &table->decided);

        if (table != in_use && table->passed_in == table->checked_in)
            forget_decision(session, table);
        else if (is_only_one)
            return;
        else {
            table->passed_in = table->checked_in;
            dlist_move_head(&session->decided, &table->decided);
        }
    }
}

/* Before a decision is made: no change is under way, and no value that has a domain. */
static void forget_domains_if_many(Session* session)
{
    if (key_ring_domains(session->keys) < MAX_DOMAINS)
        return;
    mark_stale(InvalidOid);
    key_ring_forget_domains(session->keys);
}

/* Of the database's label, then and now: read once in a replay, since tables are many. */
static uint64 database_fingerprint(Session* session)
{
    uint64 fingerprint = 0;

    if (session->database_read_in == session->replay_number)
        return session->database_fingerprint;
    for (Moment moment = THEN; moment <= NOW; moment++) {
        const char* label = read_database_label(moment);

        fingerprint = hash_combine64(fingerprint, label != NULL);
        if (label != NULL)
            fingerprint = hash_bytes_extended((const unsigned char*)label, (int)strlen(label), fingerprint);
    }
    session->database_fingerprint = fingerprint;
    session->database_read_in = session->replay_number;
    return fingerprint;
}

/* Of all labels that a decision is made from. */
static uint64 labels_fingerprint(Session* session, Oid relid, const Oid* ancestors, int ancestor_count)
{
    uint64 fingerprint = database_fingerprint(session);

    for (int i = -1; i < ancestor_count; i++)
        for (Moment moment = THEN; moment <= NOW; moment++)
            fingerprint =
                hash_combine64(fingerprint, table_labels_fingerprint(i < 0 ? relid : ancestors[i], moment));
    return fingerprint;
}

/* A decision that is old holds on if its labels are what they were: all else that could change it raises something. */
static void check_labels(Session* session, Table* table)
{
    LabelState labels = label_state(session);
    MemoryContext old;

    if (labels.now != 0 && labels.now == table->labels.now && labels.then == table->labels.then) {
        table->decided_at = session->label_watch.looked_at;
        return;
    }
    old = MemoryContextSwitchTo(session->decision_context);
    if (labels_fingerprint(session, table->relid, table->ancestors, table->ancestor_count) !=
        table->fingerprint)
        table->valid = false;
    table->labels = labels;
    table->decided_at = session->now;
    MemoryContextSwitchTo(old);
    MemoryContextReset(session->decision_context);
}

static void renew_decision(Session* session, Table* table, Relation relation)
{
    MemoryContext old;
    Lineage* lineage;
    uint64 schema_id;
    uint32 id = table->wire.id;

    forget_domains_if_many(session);
    if (table->context != NULL)
        MemoryContextReset(table->context);
    else {
        table->context =
            AllocSetContextCreate(session->context->context, "wal2lake table", ALLOCSET_SMALL_SIZES);
        dlist_push_head(&session->decided, &table->decided);
    }
    table->ancestor_count = 0;
    table->column_count = 0;
    table->key_count = 0;
    table->emitted = false;

    old = MemoryContextSwitchTo(session->decision_context);
    lineage = palloc(sizeof(Lineage));
    /* Valid from here: an invalidation that arrives while we read marks it again. */
    table->valid = true;
    session->renewing = table;
    table->decided_at = session->now;
    table->is_ours = is_own_table(relation);
    table->tells_ddl = table->is_ours && is_ddl_table(relation);
    table->labels = label_state(session);
    read_ancestors(relation, lineage);
    session->database_read_in = 0;
    table->fingerprint =
        labels_fingerprint(session, lineage->relids[0], &lineage->relids[1], lineage->count - 1);
    read_lineage_labels(relation, lineage);
    table->excluded = !lineage->too_deep && is_excluded(lineage);
    table->emitted = !lineage->too_deep && !table->is_ours && !table->excluded && is_labelled(lineage);
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
    MemoryContextReset(session->decision_context);
    count_bytes(session, table);
    forget_the_oldest(session, table);
}

/* Entries are made a block at a time, so that each begins with a line of the processor's cache. */
static Table* add_table(Session* session, Oid relid)
{
    Table* table;
    bool exists;

    if (session->spare_table_count == 0) {
        char* block = MemoryContextAllocZero(session->context->context,
                                             TABLES_IN_BLOCK * sizeof(Table) + CACHE_LINE - 1);

        session->spare_tables = (Table*)(block + (TYPEALIGN(CACHE_LINE, block) - (uintptr_t)block));
        session->spare_table_count = TABLES_IN_BLOCK;
    }
    table = session->spare_tables;
    tables_insert(session->tables_by_oid, relid, &exists)->table = table;
    session->spare_tables++;
    session->spare_table_count--;
    table->relid = relid;
    slist_push_head(&session->tables, &table->all);
    return table;
}

static void fetch_ahead(const void* memory, Size length)
{
    for (Size i = 0; i < length; i += CACHE_LINE)
        __builtin_prefetch((const char*)memory + i);
}

/*
 * With many tables what a change needs comes from memory, one thing after the
 * other. Asked for together, it comes together.
 */
static Table* find_table(Session* session, Relation relation)
{
    TupleDesc descriptor = RelationGetDescr(relation);
    TableByOid* found;
    int columns;

    fetch_ahead(descriptor, CACHE_LINE * 2);
    found = tables_lookup(session->tables_by_oid, RelationGetRelid(relation));
    if (found == NULL)
        return add_table(session, RelationGetRelid(relation));
    columns = Min(found->table->column_count, FETCHED_COLUMNS);
    fetch_ahead(found->table->columns, columns * sizeof(Column));
    fetch_ahead(descriptor, columns * sizeof(FormData_pg_attribute));
    return found->table;
}

Table* lookup_table(Session* session, Relation relation)
{
    Oid relid = RelationGetRelid(relation);
    Table* table = session->last;

    /* Labels that changed since are at work before the next frame is opened. */
    if (session->batch.length == 0)
        AcceptInvalidationMessages();

    if (table == NULL || table->relid != relid) {
        if (table != NULL && table->grew)
            count_bytes(session, table);
        table = find_table(session, relation);
        session->last = table;
    }
    if (table->checked_in != session->replay_number) {
        if (table->valid && TimestampDifferenceExceeds(table->decided_at, session->now, DECISION_MAX_AGE_MS))
            check_labels(session, table);
        table->checked_in = session->replay_number;
    }
    if (!table->valid)
        renew_decision(session, table, relation);
    return table;
}
