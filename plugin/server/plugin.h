/*
 * State of one decoding session, shared by the files of server/.
 *
 * Everything hangs off Session, which lives in the decoding context: an ERROR
 * drops that context, and the next decoding in the same backend starts clean.
 * Nothing here is a C++ object; core is called through its C headers.
 */
#ifndef WAL2LAKE_PLUGIN_H
#define WAL2LAKE_PLUGIN_H

#include "postgres.h"

#include "access/htup.h"
#include "fmgr.h"
#include "lib/ilist.h"
#include "replication/logical.h"
#include "replication/output_plugin.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "server/compat.h"

#include "core/key_file.h"
#include "core/options.h"
#include "core/policy.h"
#include "core/record.h"
#include "core/token.h"
#include "policy/policy.h"

/* Once a row holds this much, its values above SMALL_VALUE travel in chunks (docs/record_format.md). */
#define MAX_INLINE_ROW (1024 * 1024)
#define SMALL_VALUE (4 * 1024)
#define CHUNK_BYTES (1024 * 1024)
/* What may become larger than this is read in a context of its own, so that one such value is held at a time. */
#define LARGE_VALUE (64 * 1024)

/* A decision that is older is compared with its labels before a transaction uses it. */
#define DECISION_MAX_AGE_MS 1000

/* Of a processor; a wrong one costs time alone. */
#define CACHE_LINE 64
/* Columns of which memory is asked for what a change needs, before it is needed. */
#define FETCHED_COLUMNS 16

typedef struct Session Session;
typedef struct Column Column;

/* Reads one value that is not NULL into *out. The only way from a tuple to the encoder. */
typedef void (*ReadValue)(Session* session, Column* column, Datum datum, w2l_value* out);

/* The cached decision on one column, and how to carry it out. */
struct Column {
    AttrNumber attnum;
    bool is_varlena; /* may be a TOAST pointer */
    bool is_foreign; /* its output function may be of somebody else than PostgreSQL */
    w2l_type type;
    ReadValue read;           /* NULL: withheld, whatever the value, also NULL */
    const w2l_domain* domain; /* with hash */
    FmgrInfo* output;         /* output function, looked up at first use */
    w2l_column* wire;         /* as the Relation record tells it; in Table.wire.columns */
};

/* What all labels of the database were when something was read of them: equal where they are the same. */
typedef struct LabelState {
    uint64 now;  /* 0: unknown, which equals nothing */
    uint64 then; /* under the historic snapshot */
} LabelState;

/* The catalogs of labels, as they were when they were last looked at. */
typedef struct LabelWatch {
    TimestampTz looked_at; /* 0: never */
    uint64 pages;          /* of the LSNs of all their pages */
    TransactionId horizon; /* who wrote to these pages has an xid below it */
    bool settled;          /* all of those have ended */
    uint64 generation;     /* LabelState.now, if settled */
} LabelWatch;

/*
 * A table as decoding last saw it; found by lookup_table(). The decision may be
 * forgotten at any time, while its table is not in use; the rest of the entry stays.
 */
typedef struct pg_attribute_aligned(CACHE_LINE) Table
{
    /* what each change needs, in one line: with many tables this comes from memory */
    Oid relid;
    bool valid; /* false: the decision must be renewed before use */
    bool emitted;
    bool excluded;  /* by its label: then nothing is told of it, not even its name */
    bool is_ours;   /* of the extension: neither sent nor counted, whatever its labels */
    bool tells_ddl; /* the extension's table of DDL: its rows become Ddl records */
    bool announced; /* the Relation record of wire.id was appended */
    bool grew;      /* its context holds more than `held` */
    int column_count;
    Column* columns;
    uint64 checked_in;      /* number of the replay that used it last */
    TimestampTz decided_at; /* or when the labels were last found to be the same */
    w2l_relation wire;      /* its id, which is first, is 0 before the first announcement */

    int key_count;
    /* counters of the session */
    uint64 withheld;
    uint64 uncarried;
    uint64 not_emitted;

    LabelState labels;  /* when the decision was made or compared */
    uint64 fingerprint; /* of the labels that the decision was made from */
    uint64 schema_id;
    MemoryContext
        context; /* owns columns, ancestors and what wire points to; NULL if the decision was forgotten */
    Size held;   /* bytes of the context, as Session.decided_bytes counts them */
    dlist_node decided; /* in Session.decided, while it has a context */
    uint64 passed_in;   /* checked_in when it was last looked at for being forgotten */
    int ancestor_count;
    Oid* ancestors; /* root last */
    slist_node all; /* in Session.tables */
    char namespace_[NAMEDATALEN];
    char name[NAMEDATALEN];
}
Table;

/* Changes of one (sub)transaction that are counted and not sent. */
typedef struct SkippedRun {
    TransactionId subxid; /* 0: the top level */
    uint64 changes;
} SkippedRun;

/* A transaction that is sent: at once when it has committed, or in pieces while it is in progress. */
typedef struct Transaction {
    w2l_committed facts; /* the xid alone until it commits */
    bool in_progress;    /* what is sent of it goes out in batches of that kind */
    bool is_message;     /* it is none, but a message that belongs to none; the facts are its position */
    uint64 ordinal;      /* of the latest change */
    bool wrote;          /* a frame of it was sent */
    SkippedRun* skipped; /* in progress: runs of changes since the last record; NULL or MAX_SKIPPED_RUNS */
    int skipped_count;
} Transaction;

struct Session {
    LogicalDecodingContext* context;
    w2l_options options;
    const Wal2lakePolicy* policy;

    struct KeyRing* keys;

    /* tables */
    struct tables_hash* tables_by_oid;
    slist_head tables;
    Table* spare_tables; /* allocated, and not used yet */
    int spare_table_count;
    dlist_head decided; /* tables with a decision; those to look at first when room is made are last */
    Size decided_bytes; /* what these take */
    Table* last;        /* most recent lookup */
    LabelWatch label_watch;
    uint64 database_read_in;        /* number of the replay; 0: not yet */
    uint64 database_fingerprint;    /* of the database's label */
    MemoryContext decision_context; /* one decision, while it is made */
    Table* renewing;                /* whose labels are being read; NULL outside of that */
    uint32 next_relation_id;
    bool has_partitions;       /* some entry has ancestors */
    bool has_news;             /* a counter moved since the last Stats record */
    TimestampTz stats_sent_at; /* 0: never */

    /* what is being replayed: a transaction that has committed, or a piece of one in progress */
    Transaction* transaction; /* NULL between them */
    Transaction committed;    /* where it is, if it has committed */
    uint64 replay_number;     /* within the session, from 1 */
    TimestampTz now;          /* when the replay began */
    TransactionId subxid;     /* of the change at hand, in progress; 0: the top level */
    int silent_changes;       /* since the last word to the client */

    /* the open batch; length 0 if none is */
    w2l_batch batch;
    MemoryContext batch_context;

    /* one change */
    MemoryContext change_context;
    MemoryContext value_context; /* one large value, while it is read */
    MemoryContext call_context;  /* what a call of somebody else's takes, while it runs */
    Table* current;              /* whose values are read */
    w2l_side side;
    size_t inline_bytes; /* of the row that is read */
    w2l_value* values;   /* of the two rows of a change, by side */
    bool cannot_chunk;   /* what is read is of no row: what is too large for one is not carried */

    /* output functions */
    bool session_pinned; /* settings hold for the whole connection */
    bool replay_pinned;  /* settings hold until the replay ends */
    int call_guc_level;  /* of settings that a call makes for itself, once the replay is pinned */
    ResourceOwner value_owner;
    int value_error;  /* SQLSTATE of the last call that did not survive */
    Size taken_bytes; /* memory of the process, as it was at measured_at; 0: not known */
    TimestampTz measured_at;
};

static inline Session* session_of(LogicalDecodingContext* context)
{
    return (Session*)context->output_plugin_private;
}

/* options.c: reads the client's options; ERROR names what is wrong. */
extern void parse_options(List* options, w2l_options* out);

/* key_ring.c: the keys of wal2lake.key_file, in locked memory. */
typedef struct KeyRing KeyRing;
/* Reads the key file if one is configured; ERROR if it is unfit. Wiped with `owner`. */
extern KeyRing* key_ring_load(MemoryContext owner, const Wal2lakePolicy* policy);
/* Whether the configuration of the server was loaded anew since the key file was read. */
extern bool key_ring_is_outdated(const KeyRing* ring);
/*
 * Reads the key file again: keys that are not in it are forgotten, and what
 * key_ring_choose and key_ring_domain answered is good no more. If it is unfit, or
 * has other bytes for an id, the server's log says so and the keys stay.
 */
extern void key_ring_reload(KeyRing* ring);
/*
 * Id of the key for a database labelled as given (then: in force when the row was
 * written; now; NULL: no label). NULL if there is no key at all; ERROR if the
 * labels and the file do not settle on one.
 */
extern const char* key_ring_choose(KeyRing* ring, const char* then, const char* now);
/* The key of a domain, good until key_ring_forget_domains; ERROR if libcrypto fails. `key_id` is one that the ring has. */
extern const w2l_domain* key_ring_domain(KeyRing* ring, const char* key_id, const char* domain);
extern bool key_ring_has(const KeyRing* ring, const char* key_id);
/* What may be told of the keys: how many there are, and of each its id and check digits. */
extern size_t key_ring_count(const KeyRing* ring);
extern const char* key_ring_id(const KeyRing* ring, size_t position);
extern const char* key_ring_check(const KeyRing* ring, size_t position);
/* How many keys of domains are held. */
extern size_t key_ring_domains(const KeyRing* ring);
/* Wipes and frees them all: what key_ring_domain answered is good no more. */
extern void key_ring_forget_domains(KeyRing* ring);

/* label_catalog.c: reads labels and shapes, of then (historic snapshot) and now. */
typedef enum Moment { THEN, NOW } Moment;
/* Labels of one table at one moment. */
typedef struct TableLabels {
    bool exists; /* the table itself; always true for THEN */
    w2l_table_label table;
    int labelled_count;   /* columns with a label, odd ones included */
    int column_count;     /* size of the arrays, the largest attnum */
    bool* column_exists;  /* by attnum - 1 */
    char** column_labels; /* by attnum - 1; NULL: none */
} TableLabels;
extern TableLabels* read_table_labels(Oid relid, int column_count, Moment moment);
/* A number that is another one, but by the rarest chance, if a label of the table or a column is another. A fraction of what reading them costs. */
extern uint64 table_labels_fingerprint(Oid relid, Moment moment);
/* Label of this database, or NULL. */
extern char* read_database_label(Moment moment);
/* True if any column of this database is labelled so that it is hashed now. */
extern bool any_column_is_hashed(void);
/* Columns of the primary key, and of the index that is the replica identity, at the historic snapshot. */
extern void read_key_columns(Relation relation, Bitmapset** primary_key, Bitmapset** identity);

/* label_watch.c: that no label can have changed, at the price of one look in a second. */
/* Of now, as of a look that is a second old at most, and of then. Taken before labels are read; they are still the same while it is. */
extern LabelState label_state(Session* session);

/* policy_cache.c: the one decision, cached. */
extern void policy_cache_create(Session* session);
/* Every decision is made anew before its next use. */
extern void policy_cache_forget_all(Session* session);
/* The table's entry with a decision that is fit for this transaction. */
extern Table* lookup_table(Session* session, Relation relation);

/* ddl_reader.c: the extension's table of DDL. */
/* Whether a table is of the extension, under the historic snapshot; and whether one that is, is that one. */
extern bool is_own_table(Relation relation);
extern bool is_ddl_table(Relation own_table);
/* Appends the Ddl record that a row of it stands for, with the ordinal of the row; false for a row of another server, which stands for none. */
extern bool append_ddl(Session* session, Relation relation, HeapTuple tuple);

/* value_reader.c: how a value that may leave is read; NULL: it may not. */
extern ReadValue choose_reader(w2l_action action, w2l_type type, Oid base_type_oid);

/* tuple_reader.c: from tuple to values, through the decision. */
/* `key_only`: the row is an old key. What is too large for the row is appended to the batch as chunks. Answers the row to encode; pointers are good until the next change. */
extern w2l_row read_row(Session* session, Table* table, Relation relation, HeapTuple tuple, w2l_side side,
                        bool key_only);
/* The values that columns have in rows from before them, kept with the table; once the keys of its columns are known. */
extern void read_missing_values(Session* session, Table* table, Relation relation);

/* output_text.c: calls that may fail on a value. */
/* Makes output functions independent of the session's settings until the replay ends. */
extern void pin_settings(Session* session);
/* The same for a whole replication connection. Within a transaction. */
extern void pin_settings_for_connection(Session* session);
/* Runs body(argument). False if it failed on the value; what it held is released and nothing is reported. */
extern bool survives(Session* session, void (*body)(void*), void* argument);
/*
 * The same for a call that may be of somebody else than PostgreSQL, on a value of `size` bytes, in the call context:
 * what it takes is bounded, and gone if it fails. ERROR where the server itself is short of memory.
 */
extern bool survives_foreign(Session* session, void (*body)(void*), void* argument, Size size);
/* False if all code that makes text of a value of the type is PostgreSQL's own, as that of citext is. */
extern bool output_is_foreign(Oid base_type);
/* Text in UTF-8 of a name from a catalog; bytes that have none become '?'. */
extern const char* utf8_name(Session* session, const char* name);

/* memory_limit.c: what the calls of a row may take. */
extern void memory_limit_create(Session* session);
/* From here on; what the process has already counts as it was found lately, or with `measure` now. */
extern void limit_memory(Session* session, Size size, bool measure);
extern void lift_memory_limit(void);
/* Whether there is not even what a call on a value of `size` bytes may need. */
extern bool memory_is_short(Size size);

/* callbacks.c, for stream.c and sql_functions.c. */
/* ERROR if the preloaded library is of another version: nothing else of what it offers may be used then. */
extern void check_policy_version(const Wal2lakePolicy* policy);
/* sql_functions.c: the preloaded library, for functions called by SQL; ERROR without it. */
extern const Wal2lakePolicy* preloaded_policy(void);
/* A replay begins: nothing is left of the one before, however it ended. */
extern void begin_replay(Session* session, Transaction* transaction);
extern void take_commit_facts(ReorderBufferTXN* txn, w2l_committed* facts);
extern void send_change(Session* session, Relation relation, ReorderBufferChange* change);
extern void send_truncate(Session* session, int relation_count, Relation relations[],
                          ReorderBufferChange* change);
/* Counts a message of the transaction at hand, and sends it if it may leave. */
extern void send_message(Session* session, const char* prefix, const char* content, Size length);

/* batch.c: the open batch. */
extern void batch_append_table(Session* session, Table* table);
extern void batch_append_change(Session* session, w2l_change* change);
/* A value too large for its row, in pieces. */
extern void batch_append_value(Session* session, const Column* column, w2l_value_kind kind, const char* bytes,
                               size_t length);
extern void batch_append_truncate(Session* session, const w2l_truncate* truncate);
extern void batch_append_ddl(Session* session, const w2l_ddl* ddl);
/* A logical message, in pieces where it is large. */
extern void batch_append_message(Session* session, const char* prefix, const char* content, size_t length);
extern void batch_append_stats(Session* session);
/* The change at hand is counted and not sent. */
extern void batch_note_skipped(Session* session);
/* Of a transaction in progress: sends what is open. */
extern void batch_end_piece(Session* session);
/* Of a transaction in progress: `subxid` (0: all of it) has aborted. */
extern void batch_abort(Session* session, TransactionId subxid);
/* Sends what is open as the last frame of the transaction, if anything of it was or is to be sent. */
extern void batch_end_transaction(Session* session);
/* Forgets what is open. */
extern void batch_reset(Session* session);
/* ERROR for a status of core that is not W2L_OK. */
extern void report_status(w2l_status status, const char* doing);

#endif
