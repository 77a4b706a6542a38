/*
 * What an output function that is not PostgreSQL's own may take. One that takes
 * memory without end would make the kernel end the process, and with it all
 * others of the server, again at each try; so it is refused memory instead, and
 * fails as it would on a server that has none left.
 *
 * The limit is one of the process and must never outlive the row: the rest of
 * decoding takes what it needs. It is of data alone: were the stack part of it, as in
 * a limit of the address space, its next page would be a crash.
 */
#include "server/plugin.h"

#include <sys/resource.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/memutils.h"

/* What a call may need: 1 GB is all that a text may have, and the value is taken apart for it. */
#define VALUE_NEEDS(size) ((Size)1024 * 1024 * 1024 + 2 * (size))
/* How many times that it gets. */
#define ALLOWANCE 2
/* How old the knowledge of what the process has may be; if it is wrong the call fails, and is tried again. */
#define MEASURE_INTERVAL_MS 1000

/* Of the process, as the limit is. */
static bool limited = false;
static struct rlimit unlimited;

/* Memory for data that the process has; 0 where the system does not tell. */
static Size taken_bytes(void)
{
    FILE* file = AllocateFile("/proc/self/statm", PG_BINARY_R);
    char line[256] = "";
    char* at = line;
    unsigned long pages = 0;

    if (file == NULL)
        return 0;
    if (fgets(line, sizeof(line), file) == NULL)
        line[0] = '\0';
    FreeFile(file);
    /* The sixth number is that of data and stack; behind the last one there are zeros. */
    for (int i = 0; i < 6; i++)
        pages = strtoul(at, &at, 10);
    return (Size)pages * sysconf(_SC_PAGESIZE);
}

void lift_memory_limit(void)
{
    if (limited)
        (void)setrlimit(RLIMIT_DATA, &unlimited);
    limited = false;
}

static void lift_at_end(void* argument)
{
    lift_memory_limit();
}

void memory_limit_create(Session* session)
{
    MemoryContextCallback* callback = MemoryContextAllocZero(session->context->context, sizeof(*callback));

    /* An error may leave a row at any place. */
    callback->func = lift_at_end;
    MemoryContextRegisterResetCallback(session->context->context, callback);
}

void limit_memory(Session* session, Size size, bool measure)
{
    struct rlimit limit;

    /* The allowance of a large value is its own. */
    if (limited && size <= LARGE_VALUE && !measure)
        return;
    lift_memory_limit();
    if (measure || session->taken_bytes == 0 ||
        TimestampDifferenceExceeds(session->measured_at, session->now, MEASURE_INTERVAL_MS)) {
        session->taken_bytes = taken_bytes();
        session->measured_at = session->now;
    }
    if (session->taken_bytes == 0 || getrlimit(RLIMIT_DATA, &unlimited) != 0)
        return;
    limit = unlimited;
    limit.rlim_cur = Min(unlimited.rlim_cur, session->taken_bytes + ALLOWANCE * VALUE_NEEDS(size));
    limited = setrlimit(RLIMIT_DATA, &limit) == 0;
}

bool memory_is_short(Size size)
{
    void* room;

    lift_memory_limit();
    room = MemoryContextAllocExtended(CurrentMemoryContext, VALUE_NEEDS(size),
                                      MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
    if (room == NULL)
        return true;
    pfree(room);
    return false;
}
