/*
 * Calls that may fail on a value, and the settings under which text is made.
 */
#include "server/plugin.h"

#include "access/transam.h"
#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lwlock.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

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
    if (session->session_pinned || session->replay_pinned)
        return;
    session->replay_pinned = true;
    /* Undone with the transaction in which the changes are replayed, on error too. */
    (void)NewGUCNestLevel();
    apply(GUC_ACTION_SAVE);
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

/* Gives back what the failed call held. It ran under an owner of its own, so nothing else is touched. */
static void release_after_failure(Session* session)
{
    LWLockReleaseAll();
    UnlockBuffers();
    ResourceOwnerRelease(session->value_owner, RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
    ResourceOwnerRelease(session->value_owner, RESOURCE_RELEASE_LOCKS, false, false);
    ResourceOwnerRelease(session->value_owner, RESOURCE_RELEASE_AFTER_LOCKS, false, false);
    ResourceOwnerDelete(session->value_owner);
    session->value_owner = NULL;
}

bool survives(Session* session, void (*body)(void*), void* argument)
{
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;
    volatile bool ok = true;

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
        if (must_rethrow(session->value_error))
            PG_RE_THROW();
        /* The text may quote the value: it is forgotten, not reported. */
        FlushErrorState();
        release_after_failure(session);
        ok = false;
    }
    PG_END_TRY();
    return ok;
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
