/*
 * The open batch: grows to what core asks for, is sent at max_batch_bytes or at
 * the end of the transaction. The server flushes its socket once a message, so
 * one message for many rows is where the speed comes from.
 */
#include "server/plugin.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A buffer that grew beyond this for one record is given back after it was sent. */
#define KEEP_BATCH_BYTES (2 * 1024 * 1024)
#define STATS_INTERVAL_MS 60000
/* Runs of skipped changes that wait for the next record. */
#define MAX_SKIPPED_RUNS 1024
/* Tables that one Stats record tells of at most. */
#define STATS_PER_RECORD 100

void report_status(w2l_status status, const char* doing)
{
    switch (status) {
    case W2L_OK:
        return;
    case W2L_NO_MEMORY:
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("wal2lake: out of memory while %s", doing)));
        break;
    case W2L_CRYPTO_FAILED:
        ereport(ERROR, (errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
                        errmsg("wal2lake: the crypto library failed while %s", doing)));
        break;
    case W2L_NO_SPACE:
    case W2L_INVALID:
    case W2L_INTERNAL:
        break;
    }
    ereport(ERROR,
            (errcode(ERRCODE_INTERNAL_ERROR), errmsg("wal2lake: internal error %d while %s", status, doing)));
}

/* A replay that failed may leave a batch behind, with Relation records that were not sent. */
void batch_reset(Session* session)
{
    slist_iter entry;

    if (session->batch.length == 0)
        return;
    session->batch.length = 0;
    slist_foreach(entry, &session->tables) slist_container(Table, all, entry.cur)->announced = false;
}

/* Room for `size` more bytes, and for closing. */
static void reserve(Session* session, size_t size)
{
    w2l_batch* batch = &session->batch;
    size_t needed = batch->length + size + W2L_BATCH_OVERHEAD;
    size_t capacity = batch->capacity;

    if (needed <= capacity)
        return;
    if (capacity == 0)
        capacity = (size_t)session->options.max_batch_bytes * 2;
    while (capacity < needed)
        capacity *= 2;
    if (batch->data == NULL)
        batch->data = MemoryContextAllocHuge(session->batch_context, capacity);
    else
        batch->data = repalloc_huge(batch->data, capacity);
    batch->capacity = capacity;
}

static void send_batch(Session* session, bool last)
{
    LogicalDecodingContext* ctx = session->context;
    const uint8_t* message;
    size_t length;

    report_status(w2l_batch_finish(&session->batch, last, &message, &length), "closing a batch");
    OutputPluginPrepareWrite(ctx, true);
    appendBinaryStringInfo(ctx->out, (const char*)message, (int)length);
    OutputPluginWrite(ctx, true);
    session->transaction->wrote = true;
    session->silent_changes = 0;
    if (session->batch.capacity > KEEP_BATCH_BYTES) {
        pfree(session->batch.data);
        session->batch.data = NULL;
        session->batch.capacity = 0;
    }
}

static void open_batch(Session* session)
{
    const Transaction* transaction = session->transaction;
    const w2l_committed* facts = &transaction->facts;
    w2l_status status;

    reserve(session, W2L_BATCH_OVERHEAD);
    if (transaction->is_message)
        status = w2l_batch_begin_message(&session->batch, facts->commit_lsn, facts->end_lsn);
    else if (transaction->in_progress)
        status = w2l_batch_begin_in_progress(&session->batch, facts->xid);
    else
        status = w2l_batch_begin(&session->batch, facts);
    report_status(status, "opening a batch");
}

/* What was skipped before the record that is appended next. */
static void append_skipped(Session* session)
{
    Transaction* transaction = session->transaction;

    for (int i = 0; i < transaction->skipped_count; i++)
        report_status(w2l_batch_append_skipped(&session->batch, transaction->skipped[i].subxid,
                                               transaction->skipped[i].changes),
                      "encoding what was skipped");
    transaction->skipped_count = 0;
}

/* An open batch with room for a record of at most `bound` bytes, and all that must stand before it. */
static void make_room(Session* session, size_t bound)
{
    bound += (size_t)session->transaction->skipped_count * W2L_CONTROL_BOUND;
    if (session->batch.length > 0 &&
        session->batch.length + bound > (size_t)session->options.max_batch_bytes * 2)
        send_batch(session, false);
    if (session->batch.length == 0)
        open_batch(session);
    reserve(session, bound);
    append_skipped(session);
}

static void send_if_full(Session* session)
{
    if (session->batch.length >= (size_t)session->options.max_batch_bytes)
        send_batch(session, false);
}

void batch_append_table(Session* session, Table* table)
{
    make_room(session, w2l_bound_relation(&table->wire));
    report_status(w2l_batch_append_relation(&session->batch, &table->wire), "encoding a relation");
    table->announced = true;
}

void batch_append_change(Session* session, w2l_change* change)
{
    make_room(session, w2l_bound_change(change));
    report_status(w2l_batch_append_change(&session->batch, change), "encoding a change");
    send_if_full(session);
}

void batch_append_value(Session* session, const Column* column, w2l_value_kind kind, const char* bytes,
                        size_t length)
{
    w2l_chunk chunk = {0};

    chunk.ordinal = session->transaction->ordinal;
    chunk.subxid = session->subxid;
    chunk.relation_id = session->current->wire.id;
    chunk.side = session->side;
    chunk.attnum = column->wire->attnum;
    chunk.kind = kind;
    chunk.total = length;
    while (chunk.offset < length) {
        chunk.bytes = bytes + chunk.offset;
        chunk.length = Min(length - chunk.offset, CHUNK_BYTES);
        make_room(session, w2l_bound_chunk(&chunk));
        report_status(w2l_batch_append_chunk(&session->batch, &chunk), "encoding a piece of a value");
        send_if_full(session);
        chunk.offset += chunk.length;
    }
}

void batch_append_truncate(Session* session, const w2l_truncate* truncate)
{
    make_room(session, w2l_bound_truncate(truncate));
    report_status(w2l_batch_append_truncate(&session->batch, truncate), "encoding a truncate");
    send_if_full(session);
}

void batch_append_ddl(Session* session, const w2l_ddl* ddl)
{
    make_room(session, w2l_bound_ddl(ddl));
    report_status(w2l_batch_append_ddl(&session->batch, ddl), "encoding a ddl");
    send_if_full(session);
}

void batch_append_message(Session* session, const char* prefix, const char* content, size_t length)
{
    w2l_message message = {0};

    message.ordinal = session->transaction->ordinal;
    message.subxid = session->subxid;
    message.prefix = prefix;
    message.total = length;
    do {
        message.bytes = content + message.offset;
        message.length = Min(length - message.offset, CHUNK_BYTES);
        make_room(session, w2l_bound_message(&message));
        report_status(w2l_batch_append_message(&session->batch, &message), "encoding a message");
        send_if_full(session);
        message.offset += message.length;
    } while (message.offset < length);
}

static void append_stats(Session* session, const w2l_relation_stats* stats, size_t count)
{
    make_room(session, w2l_bound_stats(stats, count));
    report_status(w2l_batch_append_stats(&session->batch, stats, count), "encoding counters");
}

/* Counters ride along with a transaction that is sent anyway: at once the first time, then once a minute. */
void batch_append_stats(Session* session)
{
    w2l_relation_stats stats[STATS_PER_RECORD];
    size_t count = 0;
    slist_iter entry;

    if (!session->has_news || (session->batch.length == 0 && !session->transaction->wrote) ||
        (session->stats_sent_at != 0 &&
         !TimestampDifferenceExceeds(session->stats_sent_at, session->now, STATS_INTERVAL_MS)))
        return;
    slist_foreach(entry, &session->tables)
    {
        const Table* table = slist_container(Table, all, entry.cur);

        if (table->withheld + table->uncarried + table->not_emitted == 0)
            continue;
        stats[count].oid = table->relid;
        stats[count].namespace_ = table->namespace_;
        stats[count].name = table->name;
        stats[count].withheld = table->withheld;
        stats[count].uncarried = table->uncarried;
        stats[count].not_emitted = table->not_emitted;
        if (++count == STATS_PER_RECORD) {
            append_stats(session, stats, count);
            count = 0;
        }
    }
    if (count > 0)
        append_stats(session, stats, count);
    session->has_news = false;
    session->stats_sent_at = session->now;
}

/* ---- transactions in progress ---- */

void batch_note_skipped(Session* session)
{
    Transaction* transaction = session->transaction;
    SkippedRun* run;

    if (!transaction->in_progress)
        return;
    if (transaction->skipped == NULL)
        transaction->skipped =
            MemoryContextAlloc(session->context->context, sizeof(SkippedRun) * MAX_SKIPPED_RUNS);
    if (transaction->skipped_count > 0) {
        run = &transaction->skipped[transaction->skipped_count - 1];
        if (run->subxid == session->subxid) {
            run->changes++;
            return;
        }
    }
    if (transaction->skipped_count == MAX_SKIPPED_RUNS) {
        make_room(session, 0);
        send_if_full(session);
    }
    run = &transaction->skipped[transaction->skipped_count++];
    run->subxid = session->subxid;
    run->changes = 1;
}

/* What was skipped waits for the next record: it may be of no interest by then. */
void batch_end_piece(Session* session)
{
    if (session->batch.length > 0)
        send_batch(session, false);
}

static void forget_skipped(Transaction* transaction, TransactionId subxid)
{
    int kept = 0;

    for (int i = 0; i < transaction->skipped_count; i++)
        if (transaction->skipped[i].subxid != subxid)
            transaction->skipped[kept++] = transaction->skipped[i];
    transaction->skipped_count = kept;
}

void batch_abort(Session* session, TransactionId subxid)
{
    forget_skipped(session->transaction, subxid);
    if (!session->transaction->wrote)
        return;
    make_room(session, W2L_CONTROL_BOUND);
    report_status(w2l_batch_append_stream_abort(&session->batch, subxid), "encoding an abort");
    send_batch(session, false);
}

void batch_end_transaction(Session* session)
{
    if (session->batch.length == 0 && !session->transaction->wrote)
        return;
    /* Everything went out in full batches: an empty one carries the mark. */
    if (session->batch.length == 0)
        open_batch(session);
    send_batch(session, true);
}
