/*
 * The options of the plugin, as texts: `START_REPLICATION ... (name 'value', ...)`
 * and the SQL functions. They come from the client, so none of them may show more
 * than the labels allow. Every option of the design has its name here; what is
 * not served yet is refused by name, never ignored.
 *
 * Knows nothing of the server; server/options.c turns answers into errors.
 */
#ifndef WAL2LAKE_CORE_OPTIONS_H
#define WAL2LAKE_CORE_OPTIONS_H

#include "core/status.h"

#include <stdbool.h>

W2L_BEGIN_C

/* Of what the plugin sends, wal2lake.vN. Who reads it says which it can read (option format_version). */
#define W2L_FORMAT_VERSION 1

#define W2L_MIN_BATCH_BYTES 1024
#define W2L_DEFAULT_BATCH_BYTES (64 * 1024)
#define W2L_MAX_BATCH_BYTES (1024 * 1024)

/* What the client asked for; it may only narrow. */
typedef struct w2l_options {
    int max_batch_bytes; /* a batch is sent once it holds this much */
    bool local_origin_only;
    bool streaming; /* transactions are sent while they are in progress */
    bool messages;  /* logical messages are sent, as far as wal2lake.message_prefixes allows */
} w2l_options;

typedef enum w2l_option_answer {
    W2L_OPTION_TAKEN = 0,
    W2L_OPTION_NEEDS_VALUE,
    W2L_OPTION_INVALID_VALUE,
    W2L_OPTION_NOT_SERVED,
    W2L_OPTION_OTHER_FORMAT, /* of a version of the format that is not W2L_FORMAT_VERSION */
    W2L_OPTION_UNKNOWN
} w2l_option_answer;

/* What holds without any option. */
w2l_options w2l_default_options(void) W2L_NOEXCEPT;

/*
 * Takes one option over into *out; `value` is NULL where none was given. Whatever
 * is not TAKEN leaves *out alone, and *hint is a sentence of static lifetime that
 * says what would be right (NULL for NEEDS_VALUE).
 */
w2l_option_answer w2l_take_option(const char* name, const char* value, w2l_options* out,
                                  const char** hint) W2L_NOEXCEPT;

W2L_END_C

#endif
