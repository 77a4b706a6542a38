/*
 * Hands the options that the client gave to core/options.h, and says in the
 * server's words what is wrong with one.
 */
#include "server/plugin.h"

#include "mb/pg_wchar.h"
#include "nodes/parsenodes.h"
#include "nodes/value.h"

/* As much of a client's text as a message repeats. */
#define MAX_SHOWN 64

/* The text, or its beginning and dots. */
static const char* shown(const char* text)
{
    int length = (int)strlen(text);

    if (length <= MAX_SHOWN)
        return text;
    return psprintf("%.*s...", pg_mbcliplen(text, length, MAX_SHOWN), text);
}

/* NULL where none was given: `(name)` without a value. */
static const char* option_value(DefElem* option)
{
    return option->arg != NULL && IsA(option->arg, String) ? strVal(option->arg) : NULL;
}

pg_noreturn static void refuse_option(w2l_option_answer answer, const char* name, const char* value,
                                      const char* hint)
{
    if (answer == W2L_OPTION_NEEDS_VALUE)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("option \"%s\" needs a value", name)));
    if (answer == W2L_OPTION_INVALID_VALUE)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("invalid value for option \"%s\": \"%s\"", name, shown(value)), errhint("%s", hint)));
    if (answer == W2L_OPTION_OTHER_FORMAT)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("format version \"%s\" was asked for, and this version of wal2lake sends %d",
                               shown(value), W2L_FORMAT_VERSION),
                        errhint("%s", hint)));
    if (answer == W2L_OPTION_NOT_SERVED)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("option \"%s\" is not served by this version of wal2lake", name),
                        errhint("%s", hint)));
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown option \"%s\"", shown(name)),
                    errhint("%s", hint)));
}

/* Which of two values was meant, nobody can tell. Few come before one that is refused, so all are looked at. */
static void refuse_repeated(List* options, const ListCell* end)
{
    const char* name = lfirst_node(DefElem, end)->defname;
    ListCell* cell;

    foreach (cell, options) {
        if (cell == end)
            return;
        if (strcmp(lfirst_node(DefElem, cell)->defname, name) == 0)
            ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                            errmsg("option \"%s\" is given more than once", shown(name)),
                            errhint("Leave all but one of them out.")));
    }
}

void parse_options(List* options, w2l_options* out)
{
    ListCell* cell;

    *out = w2l_default_options();
    foreach (cell, options) {
        DefElem* option = lfirst_node(DefElem, cell);
        const char* value = option_value(option);
        const char* hint = NULL;
        w2l_option_answer answer = w2l_take_option(option->defname, value, out, &hint);

        if (answer != W2L_OPTION_TAKEN)
            refuse_option(answer, option->defname, value, hint);
        refuse_repeated(options, cell);
    }
}
