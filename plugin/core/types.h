/*
 * What core knows of PostgreSQL's types: how a clear value travels, and in which
 * canonical form it is hashed (docs/types.md).
 *
 * Built-in type oids are fixed for ever, so the table needs no server header.
 */
#ifndef WAL2LAKE_CORE_TYPES_H
#define WAL2LAKE_CORE_TYPES_H

#include "core/status.h"

#include <stdbool.h>
#include <stdint.h>

W2L_BEGIN_C

/* How a clear value travels. Numbers are those of the wire (Encoding). */
typedef enum w2l_encoding {
    W2L_ENCODING_NONE = 0,
    W2L_ENCODING_BOOL = 1,
    W2L_ENCODING_INT = 2,
    W2L_ENCODING_FLOAT32 = 3,
    W2L_ENCODING_FLOAT64 = 4,
    W2L_ENCODING_TEXT = 5,
    W2L_ENCODING_BYTES = 6,
    W2L_ENCODING_NUMERIC = 7,
    W2L_ENCODING_UUID = 8,
    W2L_ENCODING_DATE = 9,
    W2L_ENCODING_TIME = 10,
    W2L_ENCODING_TIMESTAMP = 11,
    W2L_ENCODING_TIMESTAMPTZ = 12,
    W2L_ENCODING_JSON = 13,
    W2L_ENCODING_ENUM = 14,
    W2L_ENCODING_OUTPUT_TEXT = 15
} w2l_encoding;

/* How a value becomes canonical bytes. Version 1; a form never changes. */
typedef enum w2l_canonical {
    W2L_CANONICAL_NONE = 0,    /* the type cannot be hashed */
    W2L_CANONICAL_INT,         /* family n: int2, int4, int8, oid */
    W2L_CANONICAL_NUMERIC,     /* family n: numeric */
    W2L_CANONICAL_TEXT,        /* family s: text, varchar, name, enum label */
    W2L_CANONICAL_BPCHAR,      /* family s, trailing spaces stripped */
    W2L_CANONICAL_UUID,        /* family u */
    W2L_CANONICAL_BYTES,       /* family x: bytea */
    W2L_CANONICAL_FLOAT,       /* family f: float4, float8 */
    W2L_CANONICAL_DATE,        /* family d */
    W2L_CANONICAL_TIMESTAMP,   /* family t */
    W2L_CANONICAL_TIMESTAMPTZ, /* family z */
    W2L_CANONICAL_INET,        /* family a: inet, cidr */
    W2L_CANONICAL_MAC          /* family m: macaddr, macaddr8 */
} w2l_canonical;

typedef struct w2l_type {
    w2l_encoding encoding;
    w2l_canonical canonical;
    /* So few values that tokens are a dictionary: a default hash becomes drop. */
    bool few_values;
} w2l_type;

/*
 * Facts of a type, given the oid of the type under any domain and whether that
 * is an enum. An oid that is not in the table travels as output text and cannot
 * be hashed.
 */
w2l_type w2l_type_of(uint32_t base_type_oid, bool is_enum) W2L_NOEXCEPT;

W2L_END_C

#endif
