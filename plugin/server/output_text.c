/*
 * Calls that may fail on a value, and the settings under which text is made.
 */
#include "server/plugin.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lwlock.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/*
 * Every setting that an output function of PostgreSQL looks at. Text in the lake
 * is the same whoever decodes, wherever (docs/record_format.md lists them too).
 * Where search_path does not name pg_temp, the session's own temporary tables come first.
 */
static const struct {
    const char* name;
    const char* value;
} kPinned[] = {
    {"bytea_output", "hex"},
    {"DateStyle", "ISO, YMD"},
    {"extra_float_digits", "1"},
    {"IntervalStyle", "postgres"},
    {"lc_monetary", "C"},
    {"quote_all_identifiers", "off"},
    {"search_path", "pg_catalog, pg_temp"},
    {"TimeZone", "UTC"},
    {"xmlbinary", "base64"},
};

static void apply(GucAction action)
{
    for (int i = 0; i < lengthof(kPinned); i++)
        (void)set_config_option(kPinned[i].name, kPinned[i].value, PGC_USERSET, PGC_S_SESSION, action, true,
                                0, false);
}

void pin_settings(Session* session)
{
    if (session->replay_pinned)
        return;
    session->replay_pinned = true;
    session->call_guc_level = NewGUCNestLevel();
    if (session->session_pinned) {
        AtEOXact_GUC(false, session->call_guc_level);
        return;
    }
    /* Undone with the transaction in which the changes are replayed, on error too. */
    apply(GUC_ACTION_SAVE);
    session->call_guc_level++;
}

void pin_settings_for_connection(Session* session)
{
    apply(GUC_ACTION_SET);
    session->session_pinned = true;
}

/*
 * True where the transaction in progress that is decoded has aborted: the server
 * then ends the piece by an error of this kind. An output function that raises
 * one by itself must not be taken for that, since the rest would be forgotten.
 */
static bool has_aborted(void)
{
    return TransactionIdIsValid(CheckXidAlive) && !TransactionIdIsInProgress(CheckXidAlive) &&
           !TransactionIdDidCommit(CheckXidAlive);
}

/* Errors that are not about the value: the transaction must not go on. */
static bool must_rethrow(int sqlstate)
{
    switch (sqlstate) {
    case ERRCODE_TRANSACTION_ROLLBACK:
        return has_aborted();
    case ERRCODE_QUERY_CANCELED:
    case ERRCODE_ADMIN_SHUTDOWN:
    case ERRCODE_CRASH_SHUTDOWN:
    case ERRCODE_OUT_OF_MEMORY:
        return true;
    default:
        return false;
    }
}

/*
 * Gives back what the failed call held, as the abort of a subtransaction would. It ran under an owner of its own, so
 * nothing else is touched. A function with a SET clause, or one that runs as its definer, leaves its settings and
 * its user behind; they would be those of every value to come.
 */
static void release_after_failure(Session* session, Oid user, int security)
{
    SetUserIdAndSecContext(user, security);
    if (session->replay_pinned)
        AtEOXact_GUC(false, session->call_guc_level);
    AtEOSubXact_SPI(false, GetCurrentSubTransactionId());
    LWLockReleaseAll();
    UnlockBuffers();
    ResourceOwnerRelease(session->value_owner, RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
    ResourceOwnerRelease(session->value_owner, RESOURCE_RELEASE_LOCKS, false, false);
    ResourceOwnerRelease(session->value_owner, RESOURCE_RELEASE_AFTER_LOCKS, false, false);
    ResourceOwnerDelete(session->value_owner);
    session->value_owner = NULL;
    AtSubAbort_Snapshot(GetCurrentTransactionNestLevel());
}

/* As survives(); without memory it fails only if it `may_lack` it, and is an ERROR otherwise. */
static bool run(Session* session, void (*body)(void*), void* argument, bool may_lack)
{
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;
    volatile bool ok = true;
    Oid user;
    int security;

    GetUserIdAndSecContext(&user, &security);
    /* A child of the transaction's, which deletes it at the end. */
    if (session->value_owner == NULL)
        session->value_owner = ResourceOwnerCreate(owner, "wal2lake value");

    PG_TRY();
    {
        CurrentResourceOwner = session->value_owner;
        body(argument);
        CurrentResourceOwner = owner;
    }
    PG_CATCH();
    {
        CurrentResourceOwner = owner;
        MemoryContextSwitchTo(context);
        session->value_error = geterrcode();
        lift_memory_limit();
        if (must_rethrow(session->value_error) &&
            !(may_lack && session->value_error == ERRCODE_OUT_OF_MEMORY))
            PG_RE_THROW();
        /* The text may quote the value: it is forgotten, not reported. */
        FlushErrorState();
        release_after_failure(session, user, security);
        ok = false;
    }
    PG_END_TRY();
    return ok;
}

bool survives(Session* session, void (*body)(void*), void* argument)
{
    return run(session, body, argument, false);
}

bool output_is_foreign(Oid base_type)
{
    Oid element = get_element_type(base_type);
    HeapTuple tuple;
    Oid output = InvalidOid;
    bool foreign = true;

    if (base_type < FirstNormalObjectId)
        return false;
    if (OidIsValid(element))
        return output_is_foreign(getBaseType(element));
    tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(base_type));
    if (HeapTupleIsValid(tuple)) {
        Form_pg_type form = (Form_pg_type)GETSTRUCT(tuple);

        output = form->typtype == TYPTYPE_BASE ? form->typoutput : InvalidOid;
        ReleaseSysCache(tuple);
    }
    tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(output));
    if (HeapTupleIsValid(tuple)) {
        foreign = ((Form_pg_proc)GETSTRUCT(tuple))->prolang != INTERNALlanguageId;
        ReleaseSysCache(tuple);
    }
    return foreign;
}

/* The server has no memory for anybody: nothing is lost, decoding stops here and is tried again. */
static void check_for_memory(Session* session, Size size)
{
    if (memory_is_short(size))
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
                        errmsg("out of memory while a value of table \"%s.%s\" is read",
                               session->current->namespace_, session->current->name),
                        errhint("The stream goes on from here once there is more memory.")));
}

/*
 * Whose fault it is that memory ends: where as much as any value needs can be had
 * once the call has given back its own, and the call fails again, it is the value.
 */
bool survives_foreign(Session* session, void (*body)(void*), void* argument, Size size)
{
    MemoryContext outer = CurrentMemoryContext;

    for (int attempt = 1; attempt <= 2; attempt++) {
        bool ok;

        MemoryContextSwitchTo(session->call_context);
        limit_memory(session, size, attempt > 1);
        ok = run(session, body, argument, true);
        MemoryContextSwitchTo(outer);
        if (ok)
            return true;
        MemoryContextReset(session->call_context);
        if (session->value_error != ERRCODE_OUT_OF_MEMORY)
            return false;
        /* What it took by itself, it keeps. */
        session->taken_bytes = 0;
        check_for_memory(session, size);
    }
    return false;
}

typedef struct NameConversion {
    char* name; /* in and out */
} NameConversion;

static void convert_name(void* argument)
{
    NameConversion* call = argument;

    call->name = pg_server_to_any(call->name, (int)strlen(call->name), PG_UTF8);
}

const char* utf8_name(Session* session, const char* name)
{
    NameConversion call = {pstrdup(name)};

    if (GetDatabaseEncoding() == PG_UTF8)
        return call.name;
    if (survives(session, convert_name, &call) &&
        pg_verify_mbstr(PG_UTF8, call.name, (int)strlen(call.name), true))
        return call.name;
    for (char* c = call.name; *c != '\0'; c++)
        if (IS_HIGHBIT_SET(*c))
            *c = '?';
    return call.name;
}
