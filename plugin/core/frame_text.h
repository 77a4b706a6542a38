/*
 * Renders messages of the stream as lines of text, for wal2lake.decode_frame()
 * and so for a DBA at a psql prompt and for the regression tests. Shows only what
 * the message holds: a token as hex, a withheld value as the word.
 *
 * A renderer remembers the relations it has seen, so messages are given to it in
 * the order in which they were sent.
 */
#ifndef WAL2LAKE_CORE_FRAME_TEXT_H
#define WAL2LAKE_CORE_FRAME_TEXT_H

#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>

W2L_BEGIN_C

typedef struct w2l_frame_text w2l_frame_text;

w2l_status w2l_frame_text_new(w2l_frame_text** out) W2L_NOEXCEPT;
void w2l_frame_text_free(w2l_frame_text* renderer) W2L_NOEXCEPT;

/*
 * Lines, separated by newlines, of the messages in `bytes`: whole messages, with
 * or without newlines between them. `positions` adds what differs from run to run
 * (xid, LSNs, times, oids, schema ids). *text is NUL-terminated and belongs to the
 * renderer until its next call. W2L_INVALID if the bytes are damaged, with a
 * sentence in *reason that lives for ever.
 */
w2l_status w2l_frame_text_render(w2l_frame_text* renderer, const char* bytes, size_t length, bool positions,
                                 const char** text, const char** reason) W2L_NOEXCEPT;

W2L_END_C

#endif
