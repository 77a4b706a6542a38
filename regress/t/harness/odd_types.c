/* Output functions of int4 values that misbehave, each in the way its value asks for. Built by odd_types.py. */
#include "postgres.h"

#include <sys/resource.h>
#include <unistd.h>

#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

PGDLLEXPORT Datum odd_out(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum odd_limit(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum odd_bound(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(odd_out);
PG_FUNCTION_INFO_V1(odd_limit);
PG_FUNCTION_INFO_V1(odd_bound);

#define MIB (1024 * 1024)
#define LONG_TEXT 200000

static void fail(int sqlstate)
{
    ereport(ERROR, (errcode(sqlstate), errmsg("a value that must not be shown: secret-of-odd-types")));
}

static void allocate_without_end(void)
{
    for (;;)
        (void)palloc(MIB);
}

static void allocate_outside_of_the_server(void)
{
    while (malloc(64 * MIB) != NULL)
        ;
    fail(ERRCODE_OUT_OF_MEMORY);
}

static void double_without_end(void)
{
    Size size = MIB;
    char* data = palloc(size);

    for (;; size *= 2)
        data = repalloc_huge(data, size);
}

static void recurse(int depth)
{
    check_stack_depth();
    recurse(depth + 1);
    elog(DEBUG5, "%d", depth);
}

Datum odd_out(PG_FUNCTION_ARGS)
{
    static bool failed_once = false;
    char* text;

    switch (PG_GETARG_INT32(0)) {
    case 1:
        allocate_without_end();
        break;
    case 2:
        allocate_outside_of_the_server();
        break;
    case 3:
        double_without_end();
        break;
    case 4:
        (void)palloc(MaxAllocSize + (Size)1);
        break;
    case 5:
        /* Much, and all the same within reason. */
        for (int i = 0; i < 800; i++)
            (void)palloc(MIB);
        break;
    case 6:
        (void)SPI_connect();
        fail(ERRCODE_DATA_EXCEPTION);
        break;
    case 7:
        PG_RETURN_CSTRING(
            pstrdup(SPI_finish() == SPI_ERROR_UNCONNECTED ? "nothing is left" : "SPI was left connected"));
    case 8:
        /* Memory was short for a moment. */
        failed_once = !failed_once;
        if (failed_once)
            fail(ERRCODE_OUT_OF_MEMORY);
        break;
    case 9:
        fail(ERRCODE_TRANSACTION_ROLLBACK);
        break;
    case 10:
        fail(ERRCODE_T_R_SERIALIZATION_FAILURE);
        break;
    case 11:
        fail(ERRCODE_OUT_OF_MEMORY);
        break;
    case 12:
        recurse(0);
        break;
    case 13:
        /* More than what is copied, once it is made. */
        text = palloc(LONG_TEXT + 1);
        memset(text, 'x', LONG_TEXT);
        text[LONG_TEXT] = '\0';
        PG_RETURN_CSTRING(text);
    default:
        break;
    }
    PG_RETURN_CSTRING(pstrdup("fine"));
}

/* How much data the backend may have. */
Datum odd_limit(PG_FUNCTION_ARGS)
{
    struct rlimit limit;

    (void)getrlimit(RLIMIT_DATA, &limit);
    PG_RETURN_INT64((int64)limit.rlim_cur);
}

/* It may have so much more than it has; negative: as much as it likes. */
Datum odd_bound(PG_FUNCTION_ARGS)
{
    int64 more = PG_GETARG_INT64(0);
    FILE* file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    struct rlimit limit;

    if (file == NULL || fscanf(file, "%*u %*u %*u %*u %*u %lu", &pages) != 1)
        elog(ERROR, "the system does not tell");
    fclose(file);
    (void)getrlimit(RLIMIT_DATA, &limit);
    limit.rlim_cur = more < 0 ? limit.rlim_max : pages * sysconf(_SC_PAGESIZE) + more;
    (void)setrlimit(RLIMIT_DATA, &limit);
    PG_RETURN_INT64((int64)limit.rlim_cur);
}
