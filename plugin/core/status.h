/*
 * What a call into core may answer. Shared by every header here; C, because the
 * server side is C.
 *
 * Core never throws at its callers and never calls back into them: whatever
 * goes wrong inside becomes one of these, and the caller decides how to report
 * it. No status carries a value of a row.
 */
#ifndef WAL2LAKE_CORE_STATUS_H
#define WAL2LAKE_CORE_STATUS_H

#ifdef __cplusplus
#define W2L_NOEXCEPT noexcept
#define W2L_BEGIN_C extern "C" {
#define W2L_END_C }
#else
#define W2L_NOEXCEPT
#define W2L_BEGIN_C
#define W2L_END_C
#endif

typedef enum w2l_status {
    W2L_OK = 0,
    W2L_NO_SPACE,      /* the caller's buffer is smaller than bound() asked for */
    W2L_NO_MEMORY,     /* an allocation failed */
    W2L_CRYPTO_FAILED, /* libcrypto refused or failed; nothing was written */
    W2L_INVALID,       /* an argument breaks the contract of the call */
    W2L_INTERNAL       /* anything else that was thrown */
} w2l_status;

#endif
