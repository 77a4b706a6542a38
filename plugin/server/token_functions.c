/*
 * Tokens over SQL, for the admin who follows a person through the lake or a key
 * through its rotation. The functions that check who asks, how often and tell the log
 * are in sql/; what is here is theirs to call and nobody else's.
 *
 * Values are read as decoding reads them, so that there is one way to a token. Keys
 * live as long as the query, and are wiped with its memory.
 */
#include "server/plugin.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

extern PGDLLEXPORT Datum wal2lake_compute_token(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum wal2lake_log_lookup(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(wal2lake_compute_token);
PG_FUNCTION_INFO_V1(wal2lake_log_lookup);

/* What stays from row to row of a query. */
typedef struct TokenCall {
    KeyRing* keys;
    MemoryContext row_context;
    /* as much of them as reading one value needs */
    LogicalDecodingContext decoding;
    Session session;
    Table table;
    Column column;
    w2l_column wire;
} TokenCall;

static TokenCall* prepare(FmgrInfo* function, Oid type_oid)
{
    MemoryContext context =
        AllocSetContextCreate(function->fn_mcxt, "wal2lake tokens", ALLOCSET_DEFAULT_SIZES);
    TokenCall* call = MemoryContextAllocZero(context, sizeof(TokenCall));
    Oid base_type = getBaseType(type_oid);
    w2l_type type = w2l_type_of(base_type, type_is_enum(base_type));

    if (type.canonical == W2L_CANONICAL_NONE)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("values of type %s have no token", format_type_be(type_oid)),
                        errhint("The types that have are listed in docs/tokens.md.")));
    call->keys = key_ring_load(context, preloaded_policy());
    call->row_context = AllocSetContextCreate(context, "wal2lake token", ALLOCSET_DEFAULT_SIZES);
    call->decoding.context = context;
    call->session.context = &call->decoding;
    call->session.current = &call->table;
    call->session.replay_pinned = true;
    call->session.call_context = AllocSetContextCreate(context, "wal2lake call", ALLOCSET_DEFAULT_SIZES);
    call->table.context = context;
    call->wire.type_oid = type_oid;
    call->column.wire = &call->wire;
    call->column.type = type;
    call->column.read = choose_reader(W2L_ACTION_HASH, type, base_type);
    return call;
}

static const w2l_domain* find_domain(TokenCall* call, const char* key_id, const char* domain)
{
    if (!key_ring_has(call->keys, key_id))
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("key \"%s\" is not in the key file", key_id),
                 errhint("wal2lake.check() lists the keys of this server.")));
    return key_ring_domain(call->keys, key_id, domain);
}

static void token_of(const w2l_value* value, uint8_t* token)
{
    w2l_canonical canonical = (w2l_canonical)value->canonical;

    switch (value->kind) {
    case W2L_VALUE_HASH_INT:
        report_status(w2l_token_of_int(value->domain, canonical, value->integer, token), "computing a token");
        break;
    case W2L_VALUE_HASH_BYTES:
        report_status(w2l_token_of_bytes(value->domain, canonical, value->bytes, value->length, token),
                      "computing a token");
        break;
    case W2L_VALUE_TOKEN:
        memcpy(token, value->token, W2L_TOKEN_BYTES);
        break;
    default:
        ereport(ERROR, (errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
                        errmsg("the value has no token: it is no text in UTF-8, or cannot be read")));
    }
}

/* compute_token(value anyelement, key_id text, domain text) returns bytea of 16 bytes */
Datum wal2lake_compute_token(PG_FUNCTION_ARGS)
{
    TokenCall* call = fcinfo->flinfo->fn_extra;
    bytea* token = palloc(VARHDRSZ + W2L_TOKEN_BYTES);
    w2l_value value = {0};
    MemoryContext old;

    if (call == NULL)
        fcinfo->flinfo->fn_extra = call = prepare(fcinfo->flinfo, get_fn_expr_argtype(fcinfo->flinfo, 0));
    old = MemoryContextSwitchTo(call->row_context);
    call->session.value_owner = NULL;
    call->session.call_guc_level = NewGUCNestLevel();
    call->column.domain =
        find_domain(call, text_to_cstring(PG_GETARG_TEXT_PP(1)), text_to_cstring(PG_GETARG_TEXT_PP(2)));
    call->column.read(&call->session, &call->column, PG_GETARG_DATUM(0), &value);
    SET_VARSIZE(token, VARHDRSZ + W2L_TOKEN_BYTES);
    token_of(&value, (uint8_t*)VARDATA(token));
    AtEOXact_GUC(false, call->session.call_guc_level);
    MemoryContextSwitchTo(old);
    MemoryContextReset(call->row_context);
    PG_RETURN_BYTEA_P(token);
}

/* log_lookup(what text): tells the log who asked for what, and not the statement, which holds a value. */
Datum wal2lake_log_lookup(PG_FUNCTION_ARGS)
{
    ereport(LOG, (errmsg("wal2lake: %s, asked for by role \"%s\"", text_to_cstring(PG_GETARG_TEXT_PP(0)),
                         GetUserNameFromId(GetOuterUserId(), false)),
                  errhidestmt(true), errhidecontext(true)));
    PG_RETURN_VOID();
}
