/*
 * wal2lake.label_history: who changed which label, kept in the database itself.
 *
 * The server's log says the same, but a log is rotated away, and not everybody who
 * must review the policy may read it.
 */
#ifndef WAL2LAKE_LABEL_HISTORY_H
#define WAL2LAKE_LABEL_HISTORY_H

#include "catalog/objectaddress.h"

/*
 * Adds a row for a change that this transaction makes; NULL: no label. Nothing where
 * the extension is not there. ERROR where the row cannot be written: a change that
 * leaves no trail is not made.
 */
extern void keep_label_change(const ObjectAddress* object, const char* old_label, const char* new_label);

#endif
