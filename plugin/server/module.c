/*
 * What the server looks for in the library, and the table of callbacks.
 */
#include "server/callbacks.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_output_plugin_init(OutputPluginCallbacks* callbacks);

void _PG_output_plugin_init(OutputPluginCallbacks* callbacks)
{
    callbacks->startup_cb = wal2lake_startup;
    callbacks->begin_cb = wal2lake_begin;
    callbacks->change_cb = wal2lake_change;
    callbacks->truncate_cb = wal2lake_truncate;
    callbacks->commit_cb = wal2lake_commit;
    callbacks->message_cb = wal2lake_message;
    callbacks->filter_by_origin_cb = wal2lake_filter_by_origin;
    callbacks->shutdown_cb = wal2lake_shutdown;

    callbacks->filter_prepare_cb = wal2lake_filter_prepare;
    callbacks->begin_prepare_cb = wal2lake_begin_prepare;
    callbacks->prepare_cb = wal2lake_prepare;
    callbacks->commit_prepared_cb = wal2lake_commit_prepared;
    callbacks->rollback_prepared_cb = wal2lake_rollback_prepared;

    callbacks->stream_start_cb = wal2lake_stream_start;
    callbacks->stream_stop_cb = wal2lake_stream_stop;
    callbacks->stream_abort_cb = wal2lake_stream_abort;
    callbacks->stream_prepare_cb = wal2lake_stream_prepare;
    callbacks->stream_commit_cb = wal2lake_stream_commit;
    callbacks->stream_change_cb = wal2lake_stream_change;
    callbacks->stream_message_cb = wal2lake_stream_message;
    callbacks->stream_truncate_cb = wal2lake_stream_truncate;
}
