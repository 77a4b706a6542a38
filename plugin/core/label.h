/*
 * The grammar of security labels (docs/labels.md), for the hook that checks a
 * label before it is stored and for the plugin that reads it while decoding.
 * One parser, so that what the hook accepts is what decoding understands.
 *
 * Knows nothing of catalogs, roles or types. Allocates nothing, needs no C++
 * runtime: the policy library is loaded into every backend.
 */
#ifndef WAL2LAKE_CORE_LABEL_H
#define WAL2LAKE_CORE_LABEL_H

#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>

W2L_BEGIN_C

/* Longest label in bytes. A longer one in the catalog is odd, hence withheld. */
#define W2L_MAX_LABEL 256
/* Longest domain name in bytes. */
#define W2L_MAX_DOMAIN 200
/* Longest key id in bytes, and the length of its check digits. */
#define W2L_MAX_KEY_ID 32
#define W2L_CHECK_DIGITS 8

/* Data classes, least to most sensitive. Numbers are those of the wire (Class). */
typedef enum w2l_class {
    W2L_CLASS_NONE = 0,
    W2L_CLASS_GREEN = 1,
    W2L_CLASS_YELLOW = 2,
    W2L_CLASS_ORANGE = 3,
    W2L_CLASS_RED = 4,
    W2L_CLASS_REGULATED_RED = 5
} w2l_class;

/* Actions, least to most strict. Numbers are those of the wire (Action). */
typedef enum w2l_action {
    W2L_ACTION_NONE = 0,
    W2L_ACTION_CLEAR = 1,
    W2L_ACTION_HASH = 2,
    W2L_ACTION_DROP = 3
} w2l_action;

/* A parsed column label: `class [action] [domain=name]`. Pointers point into the parsed text. */
typedef struct w2l_column_label {
    w2l_class class_;
    w2l_action action;    /* written, or the class's default */
    bool action_written;  /* the text names the action */
    const char* domain;   /* NULL where the text names none */
    size_t domain_length; /* bytes */
} w2l_column_label;

/* A parsed table label. */
typedef enum w2l_table_label {
    W2L_TABLE_NONE = 0,
    W2L_TABLE_EXCLUDE, /* the table is not emitted */
    W2L_TABLE_INHERIT  /* a partition whose unlabelled columns take its ancestors' labels */
} w2l_table_label;

/* A parsed database label: `key=id [check=8 hex digits]`. */
typedef struct w2l_database_label {
    char key_id[W2L_MAX_KEY_ID + 1];
    char check[W2L_CHECK_DIGITS + 1]; /* empty where the text names none */
} w2l_database_label;

/*
 * Parse a label of `length` bytes. True and *out set, or false and a sentence in
 * `error` (at most error_size bytes with its NUL; NULL if nobody asks) that says
 * what is wrong and what would be right, in the server's message style.
 */
bool w2l_parse_column_label(const char* text, size_t length, w2l_column_label* out, char* error,
                            size_t error_size) W2L_NOEXCEPT;
bool w2l_parse_table_label(const char* text, size_t length, w2l_table_label* out, char* error,
                           size_t error_size) W2L_NOEXCEPT;
bool w2l_parse_database_label(const char* text, size_t length, w2l_database_label* out, char* error,
                              size_t error_size) W2L_NOEXCEPT;

/* True if `id` (length bytes) may name a key: a-z, 0-9, `_`, `-`, starting with a letter or digit. */
bool w2l_is_key_id(const char* id, size_t length) W2L_NOEXCEPT;

/* The word of the grammar, for messages: "regulated_red", "hash", "unlabelled" for none. */
const char* w2l_class_name(w2l_class value) W2L_NOEXCEPT;
const char* w2l_action_name(w2l_action value) W2L_NOEXCEPT;

W2L_END_C

#endif
