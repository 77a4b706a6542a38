/*
 * Transactions that are sent while they are in progress (option streaming), so
 * that the server need not keep a large one until it commits.
 *
 * Each piece is a replay of its own, in batches that name the transaction; the
 * subtransaction stands beside each record, since it may abort later. What is
 * sent counts for nothing until the commit. The pieces of several transactions,
 * and whole ones that commit meanwhile, come in any order, so what is known of
 * one in progress hangs at the server's own record of it.
 */
#include "server/callbacks.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "server/plugin.h"

static ReorderBufferTXN* toplevel_of(ReorderBufferTXN* txn)
{
    return txn->toptxn != NULL ? txn->toptxn : txn;
}

static void forget(ReorderBufferTXN* txn)
{
    Transaction* transaction = txn->output_plugin_private;

    if (transaction->skipped != NULL)
        pfree(transaction->skipped);
    pfree(transaction);
    txn->output_plugin_private = NULL;
}

/* Takes `xid`, of a change, as that of the record at hand. */
static void take_subtransaction(Session* session, ReorderBufferTXN* txn, TransactionId xid)
{
    session->subxid = xid != txn->xid ? xid : InvalidTransactionId;
}

void wal2lake_stream_start(LogicalDecodingContext* ctx, ReorderBufferTXN* txn)
{
    Session* session = session_of(ctx);
    Transaction* transaction = txn->output_plugin_private;

    if (transaction == NULL) {
        transaction = MemoryContextAllocZero(ctx->context, sizeof(Transaction));
        transaction->facts.xid = txn->xid;
        transaction->in_progress = true;
        txn->output_plugin_private = transaction;
    }
    begin_replay(session, transaction);
}

/* Also after an error, where the transaction has aborted meanwhile: what is whole goes out and is void. */
void wal2lake_stream_stop(LogicalDecodingContext* ctx, ReorderBufferTXN* txn)
{
    Session* session = session_of(ctx);

    batch_end_piece(session);
    session->transaction = NULL;
}

void wal2lake_stream_change(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, Relation relation,
                            ReorderBufferChange* change)
{
    Session* session = session_of(ctx);

    take_subtransaction(session, txn, change->txn->xid);
    send_change(session, relation, change);
}

void wal2lake_stream_truncate(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, int relation_count,
                              Relation relations[], ReorderBufferChange* change)
{
    Session* session = session_of(ctx);

    take_subtransaction(session, txn, change->txn->xid);
    send_truncate(session, relation_count, relations, change);
}

/*
 * The server does not say whose the message is. It watches the (sub)transaction at
 * hand for its abort, though, unless that has committed: then it cannot abort, and
 * may as well be taken for the top level.
 */
void wal2lake_stream_message(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, XLogRecPtr message_lsn,
                             bool transactional, const char* prefix, Size message_size, const char* message)
{
    Session* session = session_of(ctx);

    /* One that belongs to no transaction waits for none. */
    if (!transactional)
        elog(ERROR, "wal2lake: unexpected message in a transaction in progress");
    take_subtransaction(session, txn, TransactionIdIsValid(CheckXidAlive) ? CheckXidAlive : txn->xid);
    send_message(session, prefix, message, message_size);
}

/*
 * PostgreSQL 18 may report the abort of a subtransaction that it evicted although
 * streaming is off. Nothing of it was sent, so there is nothing to take back.
 */
void wal2lake_stream_abort(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, XLogRecPtr abort_lsn)
{
    Session* session = session_of(ctx);
    ReorderBufferTXN* toplevel = toplevel_of(txn);

    if (toplevel->output_plugin_private == NULL)
        return;
    begin_replay(session, toplevel->output_plugin_private);
    batch_abort(session, txn != toplevel ? txn->xid : InvalidTransactionId);
    session->transaction = NULL;
    if (txn == toplevel)
        forget(toplevel);
}

void wal2lake_stream_commit(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, XLogRecPtr commit_lsn)
{
    Session* session = session_of(ctx);
    Transaction* transaction = txn->output_plugin_private;
    bool wrote = transaction != NULL && transaction->wrote;

    if (wrote) {
        begin_replay(session, transaction);
        transaction->in_progress = false;
        transaction->skipped_count = 0;
        take_commit_facts(txn, &transaction->facts);
        transaction->facts.streamed = true;
        batch_append_stats(session);
        batch_end_transaction(session);
        session->transaction = NULL;
    }
    if (transaction != NULL)
        forget(txn);
    OutputPluginUpdateProgress(ctx, !wrote);
}
