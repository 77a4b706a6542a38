/*
 * Tokens: what a hashed value becomes (docs/tokens.md).
 *
 *   K      = HMAC-SHA-256(master key, "wal2lake/v1/" || domain)
 *   token  = first 16 bytes of HMAC-SHA-256(K, canonical form of the value)
 *
 * Callers: the plugin, while it decodes. A w2l_tokenizer belongs to one master
 * key and is not safe to share between threads. Every answer of libcrypto is
 * checked: a failure is a status, never a zero or clear token.
 */
#ifndef WAL2LAKE_CORE_TOKEN_H
#define WAL2LAKE_CORE_TOKEN_H

#include "core/status.h"
#include "core/types.h"

#include <stddef.h>
#include <stdint.h>

W2L_BEGIN_C

#define W2L_TOKEN_BYTES 16

typedef struct w2l_tokenizer w2l_tokenizer;
/* A domain's key K, made ready for use. Owned by its tokenizer. */
typedef struct w2l_domain w2l_domain;

/*
 * A tokenizer for a master key of W2L_KEY_BYTES, or a status. It keeps what it
 * derives from the key, not the key, and derives a domain's key at first use. Free
 * with w2l_tokenizer_free, which wipes all that.
 */
w2l_status w2l_tokenizer_new(const uint8_t* master_key, w2l_tokenizer** out) W2L_NOEXCEPT;
void w2l_tokenizer_free(w2l_tokenizer* tokenizer) W2L_NOEXCEPT;

/* The domain of that name, derived now or before. The pointer is good for the tokenizer's life. */
w2l_status w2l_tokenizer_domain(w2l_tokenizer* tokenizer, const char* name, size_t length,
                                const w2l_domain** out) W2L_NOEXCEPT;

/* How many domains it has derived. */
size_t w2l_tokenizer_domains(const w2l_tokenizer* tokenizer) W2L_NOEXCEPT;

/*
 * Token of what fits into 64 bits: an integer of any width (INT), days since
 * 1970-01-01 (DATE), microseconds since 2000-01-01 as PostgreSQL keeps them
 * (TIMESTAMP, TIMESTAMPTZ), or the bits of a double (FLOAT). The largest and the
 * smallest number are infinity and -infinity of dates and timestamps. W2L_INVALID
 * for another form.
 */
w2l_status w2l_token_of_int(const w2l_domain* domain, w2l_canonical canonical, int64_t value,
                            uint8_t out[W2L_TOKEN_BYTES]) W2L_NOEXCEPT;

/*
 * Token of bytes: UTF-8 text (TEXT, BPCHAR), the decimal text of a numeric with
 * any scale, "NaN" or "[-]Infinity" (NUMERIC), the 16 bytes of a uuid (UUID), any
 * bytes (BYTES), the 6 or 8 bytes of a MAC address (MAC), or of an internet address
 * 4 or 6, the length of the prefix and the 4 or 16 bytes (INET).
 * W2L_INVALID if the bytes are not of that form.
 */
w2l_status w2l_token_of_bytes(const w2l_domain* domain, w2l_canonical canonical, const char* bytes,
                              size_t length, uint8_t out[W2L_TOKEN_BYTES]) W2L_NOEXCEPT;

/* The 8 hex digits (and NUL) by which two holders of a key file can see that they have the same key. */
w2l_status w2l_key_check(const uint8_t* master_key, char out[9]) W2L_NOEXCEPT;

/*
 * The domain of a column whose label names none: schema, table and column, of the
 * root table in a partition. At most W2L_MAX_DOMAIN bytes and a NUL go to `out`;
 * bytes outside of letters, digits and _ - become %XX, and names too long for a
 * label become "sha256/" and 64 hex digits.
 */
w2l_status w2l_default_domain(const char* schema, const char* table, const char* column, char* out,
                              size_t out_size) W2L_NOEXCEPT;

W2L_END_C

#endif
