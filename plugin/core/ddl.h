/*
 * Kinds of Ddl records: the words that the extension's event trigger writes, and
 * their numbers on the wire (Ddl.Kind).
 *
 * Callers: the reader of the trigger's rows, the renderer of frames. Knows nothing
 * of statements or catalogs.
 */
#ifndef WAL2LAKE_CORE_DDL_H
#define WAL2LAKE_CORE_DDL_H

#include "core/status.h"

#include <stdint.h>

W2L_BEGIN_C

typedef enum w2l_ddl_kind {
    W2L_DDL_UNSPECIFIED = 0,
    W2L_DDL_DROP_TABLE = 1,
    W2L_DDL_DROP_COLUMN = 2,
    W2L_DDL_RENAME_TABLE = 3,
    W2L_DDL_RENAME_COLUMN = 4,
    W2L_DDL_RENAME_SCHEMA = 5,
    W2L_DDL_SET_SCHEMA = 6,
    W2L_DDL_ATTACH_PARTITION = 7,
    W2L_DDL_DETACH_PARTITION = 8,
    W2L_DDL_REWRITE = 9,
    W2L_DDL_ALTER_COLUMN_TYPE = 10,
    W2L_DDL_ALTER_TYPE = 11,
    W2L_DDL_SET_LOGGED = 12,
    W2L_DDL_SET_UNLOGGED = 13
} w2l_ddl_kind;

/* The word of a kind, such as "drop_table"; "unspecified" for what is none. */
const char* w2l_ddl_kind_name(int32_t kind) W2L_NOEXCEPT;
/* The kind of a word; UNSPECIFIED for a word of a later version. */
w2l_ddl_kind w2l_ddl_kind_of(const char* name) W2L_NOEXCEPT;

W2L_END_C

#endif
