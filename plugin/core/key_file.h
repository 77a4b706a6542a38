/*
 * The key file: where the master keys of the tokens live (docs/keys.md).
 *
 * Text, one key a line: `id base64-of-32-bytes`; empty lines and lines that
 * start with `#` are comments. Read by a process that decodes, and for the ids
 * alone by the label hook. Needs no C++ runtime.
 *
 * No message names a key's bytes; a line is named by its number.
 */
#ifndef WAL2LAKE_CORE_KEY_FILE_H
#define WAL2LAKE_CORE_KEY_FILE_H

#include "core/label.h"
#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

W2L_BEGIN_C

#define W2L_KEY_BYTES 32
#define W2L_MAX_KEYS 16
/* Largest key file that is read, in bytes. */
#define W2L_MAX_KEY_FILE 16384

typedef struct w2l_key {
    char id[W2L_MAX_KEY_ID + 1];
    uint8_t secret[W2L_KEY_BYTES];
} w2l_key;

typedef struct w2l_key_set {
    w2l_key keys[W2L_MAX_KEYS];
    size_t count;
} w2l_key_set;

/*
 * Parse the text of a key file. True with at least one key in *out, or false, *out
 * zeroed and a sentence in `error`. The caller wipes *out (w2l_wipe) when done.
 */
bool w2l_key_file_parse(const char* text, size_t length, w2l_key_set* out, char* error,
                        size_t error_size) W2L_NOEXCEPT;

/*
 * Read and parse the file at `path`, through one descriptor: an absolute path, a
 * regular file (no symbolic link), mode 0600 or stricter, owned by the effective
 * user, outside of `data_directory` (NULL: not checked). Same answers as parse;
 * the sentence names the path and the fix.
 */
bool w2l_key_file_read(const char* path, const char* data_directory, w2l_key_set* out, char* error,
                       size_t error_size) W2L_NOEXCEPT;

/* The key of that id, or NULL. */
const w2l_key* w2l_key_find(const w2l_key_set* set, const char* id) W2L_NOEXCEPT;

/* Zero memory in a way the compiler keeps. */
void w2l_wipe(void* memory, size_t length) W2L_NOEXCEPT;

W2L_END_C

#endif
