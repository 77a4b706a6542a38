/*
 * What differs between versions of PostgreSQL, told once. Included by every file of
 * server/ and policy/, directly or through plugin.h; no other file of plugin/ asks
 * for PG_VERSION_NUM (make lint sees to it). The newest spelling is used
 * everywhere, and defined here for servers that do not have it yet.
 *
 * 15, 17 and 18 are built and tested (make test-matrix). What is said of 16 and 19
 * was read in their sources, and no compiler has seen it.
 *
 * The same in all of them: OutputPluginCallbacks, OutputPluginUpdateProgress(context,
 * skipped), xact_time.commit_time of a transaction.
 */
#ifndef WAL2LAKE_COMPAT_H
#define WAL2LAKE_COMPAT_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "catalog/pg_attribute.h"

#if PG_VERSION_NUM < 150000
#error "wal2lake needs PostgreSQL 15 or later"
#endif

/* 16: the macros of variable-length values left postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 16: what a setting's hook keeps comes from a place of its own; before, from malloc. */
#if PG_VERSION_NUM < 160000
#define guc_malloc(level, size) malloc(size)
#endif

/* 16: a subcommand of ALTER TABLE that goes on to children says so in a field; before, it was of another kind. */
#if PG_VERSION_NUM >= 160000
#define adds_column(subtype) ((subtype) == AT_AddColumn)
#else
#define adds_column(subtype) ((subtype) == AT_AddColumn || (subtype) == AT_AddColumnRecurse)
#endif

/* 16: enters a row into all indexes of a table; before, could not be asked for summarizing ones alone. */
#if PG_VERSION_NUM >= 160000
#define insert_index_tuples(result, row, state)                                                              \
    ExecInsertIndexTuples(result, row, state, false, false, NULL, NIL, false)
#else
#define insert_index_tuples(result, row, state)                                                              \
    ExecInsertIndexTuples(result, row, state, false, false, NULL, NIL)
#endif

/* 17: a change holds its tuples; before, each in a buffer. Either may be NULL. */
#if PG_VERSION_NUM >= 170000
#define tuple_of_change(tuple) (tuple)
#else
#define tuple_of_change(buffer) ((buffer) != NULL ? &(buffer)->tuple : NULL)
#endif

/* 18: stands before the declaration; before, pg_attribute_noreturn() stood within. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

/* 18: columns that are computed when they are read. No row on disk or in the WAL has a value of one. */
#if PG_VERSION_NUM >= 180000
#define is_virtual(attribute) ((attribute)->attgenerated == ATTRIBUTE_GENERATED_VIRTUAL)
#else
#define is_virtual(attribute) false
#endif

/* 19: the type of an origin's id, and of none, had a shorter name. */
#if PG_VERSION_NUM < 190000
typedef RepOriginId ReplOriginId;
#define InvalidReplOriginId InvalidRepOriginId
#endif

#endif
