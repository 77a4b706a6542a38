/*
 * Options of the plugin: `START_REPLICATION ... (name 'value', ...)` and the
 * SQL functions. They come from the client, so none of them may show more than
 * the labels allow. Every option of the design has its name here; what is not
 * served yet is refused by name, never ignored.
 */
#include "server/plugin.h"

#include "nodes/parsenodes.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#define MIN_BATCH_BYTES 1024
#define DEFAULT_BATCH_BYTES (64 * 1024)
#define MAX_BATCH_BYTES (1024 * 1024)

static const char* option_value(DefElem* option)
{
    if (option->arg == NULL || !IsA(option->arg, String))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("option \"%s\" needs a value", option->defname)));
    return strVal(option->arg);
}

static void pg_attribute_noreturn() refuse_value(DefElem* option, const char* expected)
{
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("invalid value for option \"%s\": \"%s\"", option->defname, option_value(option)),
                    errhint("%s", expected)));
}

static void require_off(DefElem* option)
{
    bool on;

    if (!parse_bool(option_value(option), &on))
        refuse_value(option, "Use on or off.");
    if (on)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("option \"%s\" is not served by this version of wal2lake", option->defname),
                        errhint("Leave it out, or set it to off.")));
}

void parse_options(List* options, Options* out)
{
    ListCell* cell;

    out->max_batch_bytes = DEFAULT_BATCH_BYTES;
    out->local_origin_only = false;

    foreach (cell, options) {
        DefElem* option = lfirst_node(DefElem, cell);

        if (strcmp(option->defname, "max_batch_bytes") == 0) {
            int bytes;

            if (!parse_int(option_value(option), &bytes, 0, NULL) || bytes < MIN_BATCH_BYTES ||
                bytes > MAX_BATCH_BYTES)
                refuse_value(option, "Use a number of bytes from 1024 to 1048576.");
            out->max_batch_bytes = bytes;
        } else if (strcmp(option->defname, "origin") == 0) {
            if (strcmp(option_value(option), "any") != 0 && strcmp(option_value(option), "none") != 0)
                refuse_value(option, "Use any or none.");
            out->local_origin_only = strcmp(option_value(option), "none") == 0;
        } else if (strcmp(option->defname, "streaming") == 0 || strcmp(option->defname, "two_phase") == 0 ||
                   strcmp(option->defname, "messages") == 0)
            require_off(option);
        else if (strcmp(option->defname, "tables") == 0 || strcmp(option->defname, "exclude_tables") == 0)
            ereport(ERROR,
                    (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                     errmsg("option \"%s\" is not served by this version of wal2lake", option->defname),
                     errhint("Label a table \"exclude\" to keep it out.")));
        else
            ereport(ERROR,
                    (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                     errmsg("unknown option \"%s\"", option->defname),
                     errhint("Options are max_batch_bytes, origin, streaming, two_phase and messages.")));
    }
}
