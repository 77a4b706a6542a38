/*
 * Records and batches in the wire format (proto/wal2lake/v1/wal2lake.proto).
 *
 * The server side describes a change as plain structs, asks bound() how much
 * room it needs, grows its buffer and calls append once; core writes there and
 * nowhere else. A batch is built in one buffer:
 *
 *     begin -> append... -> finish -> the message to send
 *
 * Callers: the plugin's batch and callbacks. Knows nothing of tuples, catalogs or
 * memory contexts. Not thread-safe per batch.
 */
#ifndef WAL2LAKE_CORE_RECORD_H
#define WAL2LAKE_CORE_RECORD_H

#include "core/ddl.h"
#include "core/label.h"
#include "core/status.h"
#include "core/token.h"
#include "core/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

W2L_BEGIN_C

/* What a value is, after the one decision (clear, token or withheld) was made. */
typedef enum w2l_value_kind {
    W2L_VALUE_NULL = 0,
    W2L_VALUE_INT,     /* integer */
    W2L_VALUE_FLOAT64, /* float64 */
    W2L_VALUE_FLOAT32, /* float32 */
    W2L_VALUE_BOOL,    /* integer, 0 or 1 */
    W2L_VALUE_TEXT,    /* bytes, UTF-8 */
    W2L_VALUE_BYTES,   /* bytes */
    W2L_VALUE_NUMERIC, /* bytes, decimal text */
    W2L_VALUE_TOKEN,   /* token, computed before */
    W2L_VALUE_UNCHANGED,
    W2L_VALUE_WITHHELD,
    W2L_VALUE_UNCARRIED, /* reason, integer = size in bytes */
    W2L_VALUE_CHUNKED,   /* its chunks were appended before */
    W2L_VALUE_HASH_INT,  /* integer, canonical and domain: becomes a token here */
    W2L_VALUE_HASH_BYTES /* bytes, canonical and domain: becomes a token here */
} w2l_value_kind;

/* Why a value was not carried. Numbers are those of the wire (Uncarried.Reason). */
typedef enum w2l_reason {
    W2L_REASON_NONE = 0,
    W2L_REASON_TOO_LARGE = 1,
    W2L_REASON_OUTPUT_FAILED = 2,
    W2L_REASON_INVALID_TEXT = 3
} w2l_reason;

typedef struct w2l_value {
    uint8_t kind;      /* w2l_value_kind */
    uint8_t reason;    /* w2l_reason, with UNCARRIED */
    uint8_t canonical; /* w2l_canonical, with HASH_INT and HASH_BYTES */
    union {
        int64_t integer;
        double float64;
        float float32;
        struct {
            const char* bytes;
            size_t length;
        };
        uint8_t token[W2L_TOKEN_BYTES];
    };
    const w2l_domain* domain; /* with HASH_INT and HASH_BYTES */
} w2l_value;

typedef struct w2l_row {
    w2l_value* values;
    size_t count;
} w2l_row;

/* Numbers are those of the wire. */
typedef enum w2l_operation { W2L_INSERT = 1, W2L_UPDATE = 2, W2L_DELETE = 3 } w2l_operation;
typedef enum w2l_old_kind { W2L_OLD_NONE = 0, W2L_OLD_KEY = 1, W2L_OLD_FULL = 2 } w2l_old_kind;
typedef enum w2l_replica_identity {
    W2L_IDENTITY_DEFAULT = 1,
    W2L_IDENTITY_INDEX = 2,
    W2L_IDENTITY_FULL = 3,
    W2L_IDENTITY_NOTHING = 4
} w2l_replica_identity;

typedef struct w2l_change {
    uint64_t ordinal;
    uint32_t relation_id;
    w2l_operation operation;
    bool has_new;
    w2l_row new_row;
    w2l_old_kind old_kind; /* NONE: old_row is ignored */
    w2l_row old_row;
    uint32_t subxid; /* in a batch in progress: the subtransaction, 0 for the top level; so below */
} w2l_change;

/* Numbers are those of the wire (ValueChunk.Side). */
typedef enum w2l_side { W2L_SIDE_NEW = 1, W2L_SIDE_OLD = 2 } w2l_side;

/* Some bytes of a value too large for its row. */
typedef struct w2l_chunk {
    uint64_t ordinal; /* that of the change */
    uint32_t relation_id;
    w2l_side side;
    uint32_t attnum;
    w2l_value_kind kind; /* TEXT, BYTES or NUMERIC */
    uint64_t offset;     /* bytes of the value before these */
    uint64_t total;      /* bytes of the value */
    const char* bytes;
    size_t length;
    uint32_t subxid;
} w2l_chunk;

typedef struct w2l_column {
    uint32_t attnum;
    const char* name;
    uint32_t type_oid;
    const char* type_name;
    int32_t typmod;
    uint32_t base_type_oid;
    uint32_t element_type_oid;
    bool is_key;
    w2l_class class_;
    w2l_action action;
    const char* domain; /* "" unless action is HASH */
    w2l_encoding encoding;
    const w2l_value* missing; /* of rows from before the column; NULL: none, or not to be told */
} w2l_column;

typedef struct w2l_relation {
    uint32_t id;
    uint32_t oid;
    const char* namespace_;
    const char* name;
    uint32_t root_oid; /* 0 where the table is no partition, and the names "" */
    const char* root_namespace;
    const char* root_name;
    w2l_replica_identity replica_identity;
    const w2l_column* columns;
    size_t column_count;
    const char* key_id; /* "" where no column is hashed */
} w2l_relation;

typedef struct w2l_truncate {
    uint64_t ordinal;
    const uint32_t* relation_ids;
    size_t relation_count;
    bool cascade;
    bool restart_identity;
    uint32_t subxid;
} w2l_truncate;

/* What a statement did that no row tells. A name is "" where there is none. */
typedef struct w2l_ddl {
    uint64_t ordinal;
    w2l_ddl_kind kind;
    uint32_t oid; /* of the table, or with RENAME_SCHEMA and ALTER_TYPE of the schema or type */
    const char* namespace_;
    const char* name;
    uint32_t attnum; /* 0: no column */
    const char* column;
    const char* old_name;
    uint32_t parent_oid; /* 0: no parent */
    const char* parent_namespace;
    const char* parent_name;
    uint32_t subxid;
} w2l_ddl;

/* A logical message, or a piece of one. */
typedef struct w2l_message {
    uint64_t ordinal;
    const char* prefix;
    uint64_t offset; /* bytes of the content before these */
    uint64_t total;  /* bytes of the content */
    const char* bytes;
    size_t length;
    uint32_t subxid;
} w2l_message;

typedef struct w2l_relation_stats {
    uint32_t oid;
    const char* namespace_;
    const char* name;
    uint64_t withheld;
    uint64_t uncarried;
    uint64_t not_emitted;
} w2l_relation_stats;

/* Facts of a committed transaction; times in microseconds since the Unix epoch. */
typedef struct w2l_committed {
    uint32_t xid;
    uint64_t commit_lsn;
    uint64_t end_lsn;
    int64_t commit_time_us;
    bool streamed; /* its records came in batches in progress */
} w2l_committed;

/* A batch under construction. `data` and `capacity` are the caller's, who may move them between calls. */
typedef struct w2l_batch {
    uint8_t* data;
    size_t capacity;
    size_t length; /* used, from data */
    /* Scratch of the encoder: sizes of the batch's last change, as guesses at the next. */
    struct {
        size_t new_row;
        size_t old_row;
        size_t rows;
    } hint;
} w2l_batch;

/* Room that begin and finish need, beyond the sum of the bounds of what is appended. */
#define W2L_BATCH_OVERHEAD 128

/* Upper bounds of what append will write, in bytes. Cheap; never less than needed. */
size_t w2l_bound_change(const w2l_change* change) W2L_NOEXCEPT;
size_t w2l_bound_chunk(const w2l_chunk* chunk) W2L_NOEXCEPT;
size_t w2l_bound_relation(const w2l_relation* relation) W2L_NOEXCEPT;
size_t w2l_bound_truncate(const w2l_truncate* truncate) W2L_NOEXCEPT;
size_t w2l_bound_ddl(const w2l_ddl* ddl) W2L_NOEXCEPT;
size_t w2l_bound_message(const w2l_message* message) W2L_NOEXCEPT;
size_t w2l_bound_stats(const w2l_relation_stats* stats, size_t count) W2L_NOEXCEPT;

/* Upper bound of any record of stream control. */
#define W2L_CONTROL_BOUND 48

/* Start a batch of a committed transaction, of one in progress, or of a message that belongs to none; what the buffer held is gone. */
w2l_status w2l_batch_begin(w2l_batch* batch, const w2l_committed* committed) W2L_NOEXCEPT;
w2l_status w2l_batch_begin_in_progress(w2l_batch* batch, uint32_t xid) W2L_NOEXCEPT;
w2l_status w2l_batch_begin_message(w2l_batch* batch, uint64_t lsn, uint64_t end_lsn) W2L_NOEXCEPT;

/*
 * Append one record. On any status but W2L_OK the batch is as it was before. A
 * change may be refused with less room than its bound.
 * Change computes the tokens.
 */
w2l_status w2l_batch_append_change(w2l_batch* batch, const w2l_change* change) W2L_NOEXCEPT;
w2l_status w2l_batch_append_chunk(w2l_batch* batch, const w2l_chunk* chunk) W2L_NOEXCEPT;
w2l_status w2l_batch_append_relation(w2l_batch* batch, const w2l_relation* relation) W2L_NOEXCEPT;
w2l_status w2l_batch_append_truncate(w2l_batch* batch, const w2l_truncate* truncate) W2L_NOEXCEPT;
w2l_status w2l_batch_append_ddl(w2l_batch* batch, const w2l_ddl* ddl) W2L_NOEXCEPT;
w2l_status w2l_batch_append_message(w2l_batch* batch, const w2l_message* message) W2L_NOEXCEPT;
w2l_status w2l_batch_append_stats(w2l_batch* batch, const w2l_relation_stats* stats,
                                  size_t count) W2L_NOEXCEPT;
/* In a batch in progress: `subxid` (0: all of it) has aborted. */
w2l_status w2l_batch_append_stream_abort(w2l_batch* batch, uint32_t subxid) W2L_NOEXCEPT;
/* In a batch in progress: so many changes are counted and not sent. */
w2l_status w2l_batch_append_skipped(w2l_batch* batch, uint32_t subxid, uint64_t changes) W2L_NOEXCEPT;

/*
 * Close the batch and frame it: *message points into the buffer at *message_length
 * bytes to send (varint length, checksum, batch). `last` marks the end of the
 * transaction. The next call must be begin.
 */
w2l_status w2l_batch_finish(w2l_batch* batch, bool last, const uint8_t** message,
                            size_t* message_length) W2L_NOEXCEPT;

/* XXH3-64 over the relation's fields without its id: equal for equal shape and policy. */
w2l_status w2l_relation_schema_id(const w2l_relation* relation, uint64_t* schema_id) W2L_NOEXCEPT;

W2L_END_C

#endif
