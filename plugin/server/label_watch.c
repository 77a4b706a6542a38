/*
 * Notices, once a second for a whole session, that no label can have changed.
 *
 * A direct edit of pg_seclabel raises nothing, but nobody writes to a table without
 * writing to its pages, and each write gives its page a higher LSN. So as long as
 * all pages of both catalogs of labels, and of their indexes, have the LSNs that
 * they had, nothing was written. Indexes belong to it: they alone never become
 * shorter, while VACUUM may cut off a page of a table that came and went in between.
 *
 * What was written may not have been committed when it was looked at, and commits
 * touch no page. So the pages say something only once every transaction that was
 * there when they were first seen like this has ended.
 */
#include "server/plugin.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_seclabel.h"
#include "catalog/pg_shseclabel.h"
#include "common/hashfn.h"
#include "storage/bufmgr.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static uint64 mix(uint64 state, const void* bytes, size_t length)
{
    return hash_bytes_extended((const unsigned char*)bytes, (int)length, state);
}

static uint64 mix_pages(uint64 state, Relation relation)
{
    BlockNumber count = RelationGetNumberOfBlocks(relation);

    state = mix(state, &count, sizeof(count));
    for (BlockNumber block = 0; block < count; block++) {
        Buffer buffer = ReadBuffer(relation, block);
        XLogRecPtr lsn;

        LockBuffer(buffer, BUFFER_LOCK_SHARE);
        lsn = BufferGetLSNAtomic(buffer);
        UnlockReleaseBuffer(buffer);
        state = mix(state, &lsn, sizeof(lsn));
    }
    return state;
}

static uint64 mix_catalog(uint64 state, Oid catalog, Oid index)
{
    Relation table = table_open(catalog, AccessShareLock);
    Relation keys = index_open(index, AccessShareLock);

    state = mix_pages(state, table);
    state = mix_pages(state, keys);
    index_close(keys, AccessShareLock);
    table_close(table, AccessShareLock);
    return state;
}

static void look(Session* session)
{
    LabelWatch* watch = &session->label_watch;
    uint64 pages = 0;

    pages = mix_catalog(pages, SecLabelRelationId, SecLabelObjectIndexId);
    pages = mix_catalog(pages, SharedSecLabelRelationId, SharedSecLabelObjectIndexId);
    if (watch->looked_at == 0 || pages != watch->pages) {
        watch->pages = pages;
        watch->settled = false;
        /* Read after the pages: who has written to them has an xid below it. */
        watch->horizon = ReadNextTransactionId();
    }
    if (!watch->settled) {
        Snapshot now = GetNonHistoricCatalogSnapshot(SecLabelRelationId);

        watch->settled = TransactionIdPrecedesOrEquals(watch->horizon, now->xmin);
        if (watch->settled)
            watch->generation++;
    }
    watch->looked_at = session->now;
}

/*
 * What tells one historic snapshot's labels from another's; 0 if they are those of
 * now, since all that was ever written had ended at that position of the WAL.
 */
static uint64 labels_then(const LabelWatch* watch)
{
    Snapshot then = GetCatalogSnapshot(SecLabelRelationId);
    uint64 state = 0;

    if (TransactionIdPrecedesOrEquals(watch->horizon, then->xmin))
        return 0;
    state = mix(state, &then->xmin, sizeof(then->xmin));
    state = mix(state, &then->xmax, sizeof(then->xmax));
    state = mix(state, &then->curcid, sizeof(then->curcid));
    state = mix(state, then->xip, sizeof(TransactionId) * then->xcnt);
    state = mix(state, then->subxip, sizeof(TransactionId) * Max(then->subxcnt, 0));
    return state | 1;
}

LabelState label_state(Session* session)
{
    LabelWatch* watch = &session->label_watch;
    LabelState state = {0, 0};

    if (watch->looked_at == 0 ||
        TimestampDifferenceExceeds(watch->looked_at, session->now, DECISION_MAX_AGE_MS))
        look(session);
    if (watch->settled) {
        state.now = watch->generation;
        state.then = labels_then(watch);
    }
    return state;
}
