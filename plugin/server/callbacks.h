/*
 * The output plugin's callbacks, in life-cycle order. Called by logical decoding
 * alone, through the table in module.c.
 */
#ifndef WAL2LAKE_CALLBACKS_H
#define WAL2LAKE_CALLBACKS_H

#include "postgres.h"

#include "replication/logical.h"
#include "replication/output_plugin.h"

#include "server/compat.h"

extern void wal2lake_startup(LogicalDecodingContext* ctx, OutputPluginOptions* options, bool is_init);
extern void wal2lake_begin(LogicalDecodingContext* ctx, ReorderBufferTXN* txn);
extern void wal2lake_change(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, Relation relation,
                            ReorderBufferChange* change);
extern void wal2lake_truncate(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, int relation_count,
                              Relation relations[], ReorderBufferChange* change);
extern void wal2lake_commit(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, XLogRecPtr commit_lsn);
extern void wal2lake_message(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, XLogRecPtr message_lsn,
                             bool transactional, const char* prefix, Size message_size, const char* message);
extern bool wal2lake_filter_by_origin(LogicalDecodingContext* ctx, ReplOriginId origin_id);
extern void wal2lake_shutdown(LogicalDecodingContext* ctx);

/* two-phase: refused at startup, so that a prepared transaction is decoded when it commits */
extern bool wal2lake_filter_prepare(LogicalDecodingContext* ctx, TransactionId xid, const char* gid);
extern void wal2lake_begin_prepare(LogicalDecodingContext* ctx, ReorderBufferTXN* txn);
extern void wal2lake_prepare(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, XLogRecPtr prepare_lsn);
extern void wal2lake_commit_prepared(LogicalDecodingContext* ctx, ReorderBufferTXN* txn,
                                     XLogRecPtr commit_lsn);
extern void wal2lake_rollback_prepared(LogicalDecodingContext* ctx, ReorderBufferTXN* txn,
                                       XLogRecPtr prepare_end_lsn, TimestampTz prepare_time);

/* stream.c: in-progress streaming, where the client asks for it; see stream_abort why they must exist */
extern void wal2lake_stream_start(LogicalDecodingContext* ctx, ReorderBufferTXN* txn);
extern void wal2lake_stream_stop(LogicalDecodingContext* ctx, ReorderBufferTXN* txn);
extern void wal2lake_stream_abort(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, XLogRecPtr abort_lsn);
extern void wal2lake_stream_prepare(LogicalDecodingContext* ctx, ReorderBufferTXN* txn,
                                    XLogRecPtr prepare_lsn);
extern void wal2lake_stream_commit(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, XLogRecPtr commit_lsn);
extern void wal2lake_stream_change(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, Relation relation,
                                   ReorderBufferChange* change);
extern void wal2lake_stream_message(LogicalDecodingContext* ctx, ReorderBufferTXN* txn,
                                    XLogRecPtr message_lsn, bool transactional, const char* prefix,
                                    Size message_size, const char* message);
extern void wal2lake_stream_truncate(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, int relation_count,
                                     Relation relations[], ReorderBufferChange* change);

#endif
