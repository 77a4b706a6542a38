/*
 * The floor of the bench: an output plugin that looks at no row and writes one
 * byte a commit. What it costs is what PostgreSQL's decoding costs by itself.
 */
#include "postgres.h"

#include "fmgr.h"
#include "replication/logical.h"
#include "replication/output_plugin.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_output_plugin_init(OutputPluginCallbacks* callbacks);

static void floor_startup(LogicalDecodingContext* ctx, OutputPluginOptions* options, bool is_init)
{
    options->output_type = OUTPUT_PLUGIN_BINARY_OUTPUT;
}

static void floor_begin(LogicalDecodingContext* ctx, ReorderBufferTXN* txn) {}

static void floor_change(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, Relation relation,
                         ReorderBufferChange* change)
{
}

static void floor_commit(LogicalDecodingContext* ctx, ReorderBufferTXN* txn, XLogRecPtr commit_lsn)
{
    OutputPluginPrepareWrite(ctx, true);
    appendStringInfoChar(ctx->out, 'C');
    OutputPluginWrite(ctx, true);
}

void _PG_output_plugin_init(OutputPluginCallbacks* callbacks)
{
    callbacks->startup_cb = floor_startup;
    callbacks->begin_cb = floor_begin;
    callbacks->change_cb = floor_change;
    callbacks->commit_cb = floor_commit;
}
