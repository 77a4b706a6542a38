/*
 * The C functions behind the SQL objects of the extension (sql/).
 */
#include "postgres.h"

#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "server/plugin.h"

#include "core/frame_text.h"

/* PostgreSQL exports them itself from 16 on. */
extern PGDLLEXPORT Datum wal2lake_decode_frame(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum wal2lake_default_domain(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum wal2lake_label_action(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum wal2lake_label_fault(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum wal2lake_is_admin(PG_FUNCTION_ARGS);

extern PGDLLEXPORT Datum wal2lake_key_digits(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(wal2lake_decode_frame);
PG_FUNCTION_INFO_V1(wal2lake_default_domain);
PG_FUNCTION_INFO_V1(wal2lake_label_action);
PG_FUNCTION_INFO_V1(wal2lake_label_fault);
PG_FUNCTION_INFO_V1(wal2lake_is_admin);
PG_FUNCTION_INFO_V1(wal2lake_key_digits);

static void free_renderer(void* argument)
{
    w2l_frame_text_free(argument);
}

/* One renderer for each call site in a running query, so that it knows the relations of earlier rows. */
static w2l_frame_text* renderer_of(FmgrInfo* function)
{
    if (function->fn_extra == NULL) {
        MemoryContextCallback* callback = MemoryContextAllocZero(function->fn_mcxt, sizeof(*callback));
        w2l_frame_text* renderer = NULL;

        if (w2l_frame_text_new(&renderer) != W2L_OK)
            ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
        callback->func = free_renderer;
        callback->arg = renderer;
        MemoryContextRegisterResetCallback(function->fn_mcxt, callback);
        function->fn_extra = renderer;
    }
    return function->fn_extra;
}

/* decode_frame(frame bytea, positions bool) returns text */
Datum wal2lake_decode_frame(PG_FUNCTION_ARGS)
{
    bytea* frame = PG_GETARG_BYTEA_PP(0);
    const char* text = NULL;
    const char* reason = NULL;
    w2l_status status = w2l_frame_text_render(renderer_of(fcinfo->flinfo), VARDATA_ANY(frame),
                                              VARSIZE_ANY_EXHDR(frame), PG_GETARG_BOOL(1), &text, &reason);

    if (status == W2L_INVALID)
        ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("not a frame of wal2lake: %s", reason)));
    if (status != W2L_OK)
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory while rendering a frame")));
    /* A frame is UTF-8 whatever the database is; what it cannot hold is an error, and never a text of another encoding. */
    PG_RETURN_TEXT_P(cstring_to_text(pg_any_to_server(text, (int)strlen(text), PG_UTF8)));
}

/* default_domain(relation regclass, column_name name) returns text */
Datum wal2lake_default_domain(PG_FUNCTION_ARGS)
{
    Oid relid = PG_GETARG_OID(0);
    Name column = PG_GETARG_NAME(1);
    char domain[W2L_MAX_DOMAIN + 1];
    List* ancestors;
    char* schema;
    char* table;

    /* A partition whose detach has begun, or has just ended, has no ancestors any more. */
    ancestors = get_rel_relispartition(relid) ? get_partition_ancestors(relid) : NIL;
    if (ancestors != NIL)
        relid = llast_oid(ancestors);
    table = get_rel_name(relid);
    schema = get_namespace_name(get_rel_namespace(relid));
    if (table == NULL || schema == NULL)
        PG_RETURN_NULL();
    if (w2l_default_domain(schema, table, NameStr(*column), domain, sizeof(domain)) != W2L_OK)
        ereport(ERROR, (errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION), errmsg("could not derive a domain")));
    PG_RETURN_TEXT_P(cstring_to_text(domain));
}

/* label_action(label text, type regtype): the action that a label has on a type, as text */
Datum wal2lake_label_action(PG_FUNCTION_ARGS)
{
    char* label = text_to_cstring(PG_GETARG_TEXT_PP(0));
    Oid type = getBaseType(PG_GETARG_OID(1));
    w2l_verdict verdict = w2l_verdict_of_label(label, strlen(label), w2l_type_of(type, type_is_enum(type)));

    PG_RETURN_TEXT_P(cstring_to_text(w2l_action_name(verdict.action)));
}

/* label_fault(label text): why it cannot be a column's label; NULL where it can */
Datum wal2lake_label_fault(PG_FUNCTION_ARGS)
{
    char* label = text_to_cstring(PG_GETARG_TEXT_PP(0));
    char reason[300];
    w2l_column_label parsed;

    if (w2l_parse_column_label(label, strlen(label), &parsed, reason, sizeof(reason)))
        PG_RETURN_NULL();
    PG_RETURN_TEXT_P(cstring_to_text(reason));
}

const Wal2lakePolicy* preloaded_policy(void)
{
    const Wal2lakePolicy* policy = *find_rendezvous_variable(WAL2LAKE_POLICY_RENDEZVOUS);

    if (policy == NULL)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("wal2lake_policy is not in shared_preload_libraries"),
                        errhint("Add it and restart the server.")));
    check_policy_version(policy);
    return policy;
}

/*
 * is_admin() returns bool: whether the outer user, who called whatever SECURITY
 * DEFINER function is running, may loosen labels.
 */
Datum wal2lake_is_admin(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(preloaded_policy()->is_admin(GetOuterUserId()));
}

/*
 * key_digits() returns text[]: "id digits" for each key of this server's file, as a
 * session that decodes would have it; ERROR where it would refuse the file. The keys
 * are gone when it returns, and when it does not.
 */
Datum wal2lake_key_digits(PG_FUNCTION_ARGS)
{
    MemoryContext owner = AllocSetContextCreate(CurrentMemoryContext, "wal2lake keys", ALLOCSET_SMALL_SIZES);
    KeyRing* ring = key_ring_load(owner, preloaded_policy());
    size_t count = key_ring_count(ring);
    Datum* texts = palloc(sizeof(Datum) * Max(count, 1));

    for (size_t i = 0; i < count; i++)
        texts[i] = CStringGetTextDatum(psprintf("%s %s", key_ring_id(ring, i), key_ring_check(ring, i)));
    MemoryContextDelete(owner);
    PG_RETURN_ARRAYTYPE_P(construct_array(texts, (int)count, TEXTOID, -1, false, TYPALIGN_INT));
}
