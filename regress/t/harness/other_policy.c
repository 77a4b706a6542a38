/* What wal2lake_policy of another version would leave for the plugin to find. Built by test_versions.py. */
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void _PG_init(void)
{
    static struct {
        int version;
        void* functions[8];
    } policy = {99, {NULL}};

    *find_rendezvous_variable("wal2lake_policy") = &policy;
}
