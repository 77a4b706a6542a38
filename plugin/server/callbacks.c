#include "server/callbacks.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "replication/origin.h"
#include "replication/slot.h"
#include "replication/walsender.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "server/plugin.h"

/* Changes that are skipped before the client hears of us; keeps wal_sender_timeout away. */
#define SILENT_CHANGES 100

/* ---- startup ---- */

void check_policy_version(const Wal2lakePolicy* policy)
{
    if (policy->version != WAL2LAKE_POLICY_VERSION)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("wal2lake and the preloaded wal2lake_policy are of different versions"),
                        errhint("Restart the server after an upgrade.")));
}

static const Wal2lakePolicy* require_policy(void)
{
    const Wal2lakePolicy* policy = *find_rendezvous_variable(WAL2LAKE_POLICY_RENDEZVOUS);

    if (policy == NULL)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("wal2lake needs wal2lake_policy in shared_preload_libraries"),
                        errhint("Add it and restart the server; without it labels cannot be trusted.")));
    check_policy_version(policy);
    return policy;
}

/* What can only be known from catalogs. A walsender is outside of any transaction here. */
static void check_catalogs(Session* session)
{
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;
    bool own_transaction = !IsTransactionState();
    const char* key_id;

    if (own_transaction)
        StartTransactionCommand();
    key_id = key_ring_choose(session->keys, NULL, read_database_label(NOW));
    if (key_id == NULL && any_column_is_hashed())
        ereport(ERROR,
                (errcode(ERRCODE_CONFIG_FILE_ERROR),
                 errmsg("columns are labelled to be hashed and there is no key"),
                 errhint("Set wal2lake.key_file to a file with a line \"id base64-of-32-bytes\" and reload "
                         "the server.")));
    if (own_transaction) {
        if (am_walsender)
            pin_settings_for_connection(session);
        CommitTransactionCommand();
        MemoryContextSwitchTo(context);
        CurrentResourceOwner = owner;
    }
    if (key_id != NULL)
        ereport(DEBUG1, (errmsg_internal("wal2lake: tokens are made with key \"%s\"", key_id)));
}

void wal2lake_startup(LogicalDecodingContext* ctx, OutputPluginOptions* options, bool is_init)
{
    Session* session = MemoryContextAllocZero(ctx->context, sizeof(Session));

    session->policy = require_policy();
    session->context = ctx;
    if (MyReplicationSlot->data.two_phase)
        ereport(ERROR,
                (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                 errmsg("wal2lake does not serve slots with two-phase decoding yet"),
                 errhint("Create the slot without TWO_PHASE; prepared transactions are then sent when they "
                         "commit.")));
    parse_options(ctx->output_plugin_options, &session->options);

    session->change_context = AllocSetContextCreate(ctx->context, "wal2lake change", ALLOCSET_DEFAULT_SIZES);
    session->decision_context =
        AllocSetContextCreate(ctx->context, "wal2lake decision", ALLOCSET_DEFAULT_SIZES);
    session->value_context = AllocSetContextCreate(ctx->context, "wal2lake value", ALLOCSET_DEFAULT_SIZES);
    session->call_context = AllocSetContextCreate(ctx->context, "wal2lake call", ALLOCSET_DEFAULT_SIZES);
    session->batch_context = AllocSetContextCreate(ctx->context, "wal2lake batch", ALLOCSET_DEFAULT_SIZES);
    session->values = MemoryContextAllocZero(ctx->context, sizeof(w2l_value) * 2 * MaxHeapAttributeNumber);
    session->keys = key_ring_load(ctx->context, session->policy);
    policy_cache_create(session);
    memory_limit_create(session);
    check_catalogs(session);

    options->output_type = OUTPUT_PLUGIN_BINARY_OUTPUT;
    options->receive_rewrites = false;
    /* The server says so where the callbacks are there; creating a slot decodes nothing. */
    ctx->streaming = session->options.streaming && !is_init;
    ctx->output_plugin_private = session;
}

/* ---- transactions ---- */

void begin_replay(Session* session, Transaction* transaction)
{
    batch_reset(session);
    MemoryContextReset(session->change_context);
    MemoryContextReset(session->decision_context);
    session->cannot_chunk = false;
    /* The abort of a streamed transaction may come at any moment, as an error. */
    if (session->renewing != NULL)
        session->renewing->valid = false;
    session->renewing = NULL;
    session->value_owner = NULL;
    session->replay_pinned = false;
    session->transaction = transaction;
    session->subxid = InvalidTransactionId;
    session->replay_number++;
    session->now = GetCurrentTimestamp();
    /* Nothing holds a key between two replays. */
    if (key_ring_is_outdated(session->keys)) {
        policy_cache_forget_all(session);
        key_ring_reload(session->keys);
    }
}

void take_commit_facts(ReorderBufferTXN* txn, w2l_committed* facts)
{
    facts->xid = txn->xid;
    facts->commit_lsn = txn->final_lsn;
    facts->end_lsn = txn->end_lsn;
    facts->commit_time_us =
        txn->xact_time.commit_time + (int64)(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

void wal2lake_begin(LogicalDecodingContext* ctx, ReorderBufferTXN* txn)
{
    Session* session = session_of(ctx);

    memset(&session->committed, 0, sizeof(session->committed));
    begin_replay(session, &session->committed);
    take_commit_facts(txn, &session->committed.facts);
}

void wal2lake_commit(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, XLogRecPtr commit_lsn)
{
    Session* session = session_of(ctx);

    batch_append_stats(session);
    batch_end_transaction(session);
    OutputPluginUpdateProgress(ctx, !session->committed.wrote);
}

/* What is not sent is counted, and the client must hear of us now and then. */
static void skip(Session* session)
{
    batch_note_skipped(session);
    if (++session->silent_changes >= SILENT_CHANGES) {
        OutputPluginUpdateProgress(session->context, false);
        session->silent_changes = 0;
    }
}

/* ---- changes ---- */

/* The table if changes of it are sent; NULL, and counted, if not. Announces it. */
static Table* emitted_table(Session* session, Relation relation)
{
    Table* table;

    /* A concurrent refresh writes materialized views; their rows are derived. */
    if (relation->rd_rel->relkind != RELKIND_RELATION &&
        relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
        return NULL;
    table = lookup_table(session, relation);
    if (table->is_ours || table->excluded)
        return NULL;
    if (!table->emitted) {
        table->not_emitted++;
        session->has_news = true;
        return NULL;
    }
    if (!table->announced)
        batch_append_table(session, table);
    return table;
}

static void read_old_row(Session* session, Table* table, Relation relation, HeapTuple tuple,
                         w2l_change* change)
{
    bool key_only = relation->rd_rel->relreplident != REPLICA_IDENTITY_FULL;

    /*
     * A key without an index that says which columns it is of: the index was dropped concurrently while the
     * change waited. The columns of the primary key would show what was not logged.
     */
    if (tuple == NULL || (key_only && table->wire.replica_identity == W2L_IDENTITY_NOTHING))
        return;
    change->old_kind = key_only ? W2L_OLD_KEY : W2L_OLD_FULL;
    change->old_row = read_row(session, table, relation, tuple, W2L_SIDE_OLD, key_only);
}

/*
 * A change of a table of which no change is sent. What the event trigger wrote is
 * said in another way; that it deleted it again is not.
 */
static void pass_over(Session* session, Relation relation, const ReorderBufferChange* change)
{
    HeapTuple tuple = tuple_of_change(change->data.tp.newtuple);
    const Table* table = session->last;

    if (table != NULL && table->relid == RelationGetRelid(relation) && table->tells_ddl &&
        change->action == REORDER_BUFFER_CHANGE_INSERT && tuple != NULL &&
        append_ddl(session, relation, tuple))
        return;
    skip(session);
}

void send_change(Session* session, Relation relation, ReorderBufferChange* change)
{
    HeapTuple new_tuple = tuple_of_change(change->data.tp.newtuple);
    HeapTuple old_tuple = tuple_of_change(change->data.tp.oldtuple);
    w2l_change record = {0};
    Table* table;

    session->transaction->ordinal++;
    table = emitted_table(session, relation);
    if (table == NULL) {
        pass_over(session, relation, change);
        MemoryContextReset(session->change_context);
        return;
    }

    record.ordinal = session->transaction->ordinal;
    record.subxid = session->subxid;
    record.relation_id = table->wire.id;
    switch (change->action) {
    case REORDER_BUFFER_CHANGE_INSERT:
        record.operation = W2L_INSERT;
        break;
    case REORDER_BUFFER_CHANGE_UPDATE:
        record.operation = W2L_UPDATE;
        break;
    case REORDER_BUFFER_CHANGE_DELETE:
        record.operation = W2L_DELETE;
        break;
    default:
        elog(ERROR, "wal2lake: unexpected change %d", change->action);
    }
    if (record.operation != W2L_DELETE && new_tuple != NULL) {
        record.has_new = true;
        record.new_row = read_row(session, table, relation, new_tuple, W2L_SIDE_NEW, false);
    }
    if (record.operation != W2L_INSERT)
        read_old_row(session, table, relation, old_tuple, &record);
    batch_append_change(session, &record);
    MemoryContextReset(session->change_context);
}

void wal2lake_change(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, Relation relation,
                     ReorderBufferChange* change)
{
    send_change(session_of(ctx), relation, change);
}

void send_truncate(Session* session, int relation_count, Relation relations[], ReorderBufferChange* change)
{
    uint32_t* ids = MemoryContextAlloc(session->change_context, sizeof(uint32_t) * relation_count);
    w2l_truncate record = {0};

    session->transaction->ordinal++;
    /* lookup_table() uses and keeps the change context, so the array may live there. */
    for (int i = 0; i < relation_count; i++) {
        Table* table = emitted_table(session, relations[i]);

        if (table != NULL)
            ids[record.relation_count++] = table->wire.id;
    }
    if (record.relation_count > 0) {
        record.ordinal = session->transaction->ordinal;
        record.subxid = session->subxid;
        record.relation_ids = ids;
        record.cascade = change->data.truncate.cascade;
        record.restart_identity = change->data.truncate.restart_seqs;
        batch_append_truncate(session, &record);
    } else {
        skip(session);
    }
    MemoryContextReset(session->change_context);
}

void wal2lake_truncate(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, int relation_count,
                       Relation relations[], ReorderBufferChange* change)
{
    send_truncate(session_of(ctx), relation_count, relations, change);
}

static bool may_leave(Session* session, const char* prefix)
{
    return session->options.messages && session->policy->message_may_leave(prefix);
}

void send_message(Session* session, const char* prefix, const char* content, Size length)
{
    session->transaction->ordinal++;
    if (may_leave(session, prefix))
        batch_append_message(session, prefix, content, length);
    else
        skip(session);
}

/* Sent at once, as a transaction of its own: it counts whatever becomes of the one that wrote it. */
static void send_lone_message(LogicalDecodingContext* ctx, const char* prefix, const char* content,
                              Size length)
{
    Session* session = session_of(ctx);

    if (!may_leave(session, prefix))
        return;
    memset(&session->committed, 0, sizeof(session->committed));
    begin_replay(session, &session->committed);
    session->committed.is_message = true;
    /* Its record is the one that is decoded now. The position that the server gives is that of its end alone. */
    session->committed.facts.commit_lsn = ctx->reader->ReadRecPtr;
    session->committed.facts.end_lsn = ctx->reader->EndRecPtr;
    session->committed.ordinal = 1;
    batch_append_message(session, prefix, content, length);
    batch_end_transaction(session);
    session->transaction = NULL;
}

/* Messages are free text that any role may write: only those leave whose prefix the server's settings name. */
void wal2lake_message(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, XLogRecPtr message_lsn,
                      bool transactional, const char* prefix, Size message_size, const char* message)
{
    if (transactional)
        send_message(session_of(ctx), prefix, message, message_size);
    else
        send_lone_message(ctx, prefix, message, message_size);
}

bool wal2lake_filter_by_origin(LogicalDecodingContext* ctx, ReplOriginId origin_id)
{
    return session_of(ctx)->options.local_origin_only && origin_id != InvalidReplOriginId;
}

/* All state is in the decoding context and goes with it. */
void wal2lake_shutdown(LogicalDecodingContext* ctx) {}

/* ---- two-phase ---- */

pg_noreturn static void refuse_prepared(void)
{
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("wal2lake does not serve prepared transactions yet")));
}

/* True: decode it when it commits. */
bool wal2lake_filter_prepare(LogicalDecodingContext* ctx, TransactionId xid, const char* gid)
{
    return true;
}

void wal2lake_begin_prepare(LogicalDecodingContext* ctx, ReorderBufferTXN* txn)
{
    refuse_prepared();
}

void wal2lake_prepare(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, XLogRecPtr prepare_lsn)
{
    refuse_prepared();
}

void wal2lake_commit_prepared(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, XLogRecPtr commit_lsn)
{
    refuse_prepared();
}

void wal2lake_rollback_prepared(LogicalDecodingContext* ctx, ReorderBufferTXN* txn,
                                XLogRecPtr prepare_end_lsn, TimestampTz prepare_time)
{
    refuse_prepared();
}

void wal2lake_stream_prepare(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, XLogRecPtr prepare_lsn)
{
    refuse_prepared();
}
