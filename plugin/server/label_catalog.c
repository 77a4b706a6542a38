/*
 * Reads labels and shapes from the catalogs, at one of two moments: then, under
 * the historic snapshot of the change that is decoded, and now.
 *
 * Catalogs alone, through systable scans: nothing else may be read under a
 * historic snapshot. No index of a user table is opened: while one is built or
 * dropped concurrently, that fails under some snapshots for ever.
 */
#include "server/plugin.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_index.h"
#include "catalog/pg_seclabel.h"
#include "catalog/pg_shseclabel.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

/* A scan of a catalog by leading key columns, at a moment. */
typedef struct CatalogScan {
    Relation catalog;
    SysScanDesc scan;
    Snapshot now; /* registered; NULL at THEN */
} CatalogScan;

static CatalogScan begin_catalog_scan(Oid catalog, Oid index, Moment moment, int key_count, ScanKey keys)
{
    CatalogScan scan;

    scan.catalog = table_open(catalog, AccessShareLock);
    scan.now = moment == NOW ? RegisterSnapshot(GetNonHistoricCatalogSnapshot(catalog)) : NULL;
    scan.scan = systable_beginscan(scan.catalog, index, OidIsValid(index), scan.now, key_count, keys);
    return scan;
}

static void end_catalog_scan(CatalogScan* scan)
{
    systable_endscan(scan->scan);
    if (scan->now != NULL)
        UnregisterSnapshot(scan->now);
    table_close(scan->catalog, AccessShareLock);
}

static bool is_ours(Relation catalog, HeapTuple tuple, AttrNumber provider)
{
    bool is_null;
    Datum value = heap_getattr(tuple, provider, RelationGetDescr(catalog), &is_null);
    bool ours;
    char* name;

    if (is_null)
        return false;
    name = TextDatumGetCString(value);
    ours = strcmp(name, WAL2LAKE_PROVIDER) == 0;
    pfree(name);
    return ours;
}

static char* label_text(Relation catalog, HeapTuple tuple, AttrNumber label)
{
    bool is_null;
    Datum value = heap_getattr(tuple, label, RelationGetDescr(catalog), &is_null);

    return is_null ? pstrdup("") : TextDatumGetCString(value);
}

/* Which table and columns exist now. Then, the change itself proves that they do. */
static void read_existence(Oid relid, TableLabels* labels)
{
    ScanKeyData key;
    CatalogScan scan;
    HeapTuple tuple;

    ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
    scan = begin_catalog_scan(RelationRelationId, ClassOidIndexId, NOW, 1, &key);
    labels->exists = HeapTupleIsValid(systable_getnext(scan.scan));
    end_catalog_scan(&scan);
    if (!labels->exists)
        return;

    ScanKeyInit(&key, Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
    scan = begin_catalog_scan(AttributeRelationId, AttributeRelidNumIndexId, NOW, 1, &key);
    while (HeapTupleIsValid(tuple = systable_getnext(scan.scan))) {
        Form_pg_attribute attribute = (Form_pg_attribute)GETSTRUCT(tuple);

        if (attribute->attnum > 0 && attribute->attnum <= labels->column_count && !attribute->attisdropped)
            labels->column_exists[attribute->attnum - 1] = true;
    }
    end_catalog_scan(&scan);
}

/* The labels of a table and its columns. */
static CatalogScan begin_label_scan(Oid relid, Moment moment)
{
    ScanKeyData keys[2];

    ScanKeyInit(&keys[0], Anum_pg_seclabel_objoid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
    ScanKeyInit(&keys[1], Anum_pg_seclabel_classoid, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(RelationRelationId));
    return begin_catalog_scan(SecLabelRelationId, SecLabelObjectIndexId, moment, 2, keys);
}

uint64 table_labels_fingerprint(Oid relid, Moment moment)
{
    CatalogScan scan = begin_label_scan(relid, moment);
    uint64 fingerprint = 0;
    HeapTuple tuple;

    /* All of a tuple but its header: object, column, provider and text. */
    while (HeapTupleIsValid(tuple = systable_getnext(scan.scan)))
        fingerprint = hash_bytes_extended((const unsigned char*)tuple->t_data + tuple->t_data->t_hoff,
                                          (int)(tuple->t_len - tuple->t_data->t_hoff), fingerprint + 1);
    end_catalog_scan(&scan);
    return fingerprint;
}

TableLabels* read_table_labels(Oid relid, int column_count, Moment moment)
{
    TableLabels* labels = palloc0(sizeof(TableLabels));
    CatalogScan scan;
    HeapTuple tuple;

    labels->column_count = column_count;
    labels->column_labels = palloc0(sizeof(char*) * Max(column_count, 1));
    labels->column_exists = palloc0(sizeof(bool) * Max(column_count, 1));
    if (moment == NOW)
        read_existence(relid, labels);
    else {
        labels->exists = true;
        memset(labels->column_exists, true, sizeof(bool) * column_count);
    }

    scan = begin_label_scan(relid, moment);
    while (HeapTupleIsValid(tuple = systable_getnext(scan.scan))) {
        const FormData_pg_seclabel* object = (const FormData_pg_seclabel*)GETSTRUCT(tuple);
        char* text;

        if (!is_ours(scan.catalog, tuple, Anum_pg_seclabel_provider))
            continue;
        text = label_text(scan.catalog, tuple, Anum_pg_seclabel_label);
        if (object->objsubid == 0) {
            /* An odd label on a table keeps it in. */
            if (!w2l_parse_table_label(text, strlen(text), &labels->table, NULL, 0))
                labels->table = W2L_TABLE_EXCLUDE;
        } else if (object->objsubid > 0 && object->objsubid <= column_count) {
            labels->column_labels[object->objsubid - 1] = text;
            labels->labelled_count++;
        }
    }
    end_catalog_scan(&scan);
    return labels;
}

char* read_database_label(Moment moment)
{
    ScanKeyData keys[2];
    CatalogScan scan;
    HeapTuple tuple;
    char* label = NULL;

    ScanKeyInit(&keys[0], Anum_pg_shseclabel_objoid, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(MyDatabaseId));
    ScanKeyInit(&keys[1], Anum_pg_shseclabel_classoid, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(DatabaseRelationId));
    scan = begin_catalog_scan(SharedSecLabelRelationId, SharedSecLabelObjectIndexId, moment, 2, keys);
    while (label == NULL && HeapTupleIsValid(tuple = systable_getnext(scan.scan)))
        if (is_ours(scan.catalog, tuple, Anum_pg_shseclabel_provider))
            label = label_text(scan.catalog, tuple, Anum_pg_shseclabel_label);
    end_catalog_scan(&scan);
    return label;
}

bool any_column_is_hashed(void)
{
    ScanKeyData key;
    CatalogScan scan;
    HeapTuple tuple;
    bool found = false;

    ScanKeyInit(&key, Anum_pg_seclabel_classoid, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(RelationRelationId));
    scan = begin_catalog_scan(SecLabelRelationId, InvalidOid, NOW, 1, &key);
    while (!found && HeapTupleIsValid(tuple = systable_getnext(scan.scan))) {
        const FormData_pg_seclabel* object = (const FormData_pg_seclabel*)GETSTRUCT(tuple);
        w2l_verdict verdict;
        Oid type;
        char* text;

        if (object->objsubid <= 0 || !is_ours(scan.catalog, tuple, Anum_pg_seclabel_provider))
            continue;
        type = get_atttype(object->objoid, (AttrNumber)object->objsubid);
        if (!OidIsValid(type))
            continue;
        type = getBaseType(type);
        text = label_text(scan.catalog, tuple, Anum_pg_seclabel_label);
        verdict = w2l_verdict_of_label(text, strlen(text), w2l_type_of(type, type_is_enum(type)));
        found = verdict.action == W2L_ACTION_HASH;
        pfree(text);
    }
    end_catalog_scan(&scan);
    return found;
}

void read_key_columns(Relation relation, Bitmapset** primary_key, Bitmapset** identity)
{
    char replident = relation->rd_rel->relreplident;
    ScanKeyData key;
    CatalogScan scan;
    HeapTuple tuple;

    *primary_key = NULL;
    *identity = NULL;
    ScanKeyInit(&key, Anum_pg_index_indrelid, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(RelationGetRelid(relation)));
    scan = begin_catalog_scan(IndexRelationId, IndexIndrelidIndexId, THEN, 1, &key);
    while (HeapTupleIsValid(tuple = systable_getnext(scan.scan))) {
        Form_pg_index index = (Form_pg_index)GETSTRUCT(tuple);
        bool is_identity = index->indisvalid && index->indimmediate &&
                           (replident == REPLICA_IDENTITY_INDEX
                                ? index->indisreplident
                                : replident == REPLICA_IDENTITY_DEFAULT && index->indisprimary);

        if (!index->indisprimary && !is_identity)
            continue;
        for (int i = 0; i < index->indnkeyatts; i++) {
            AttrNumber attnum = index->indkey.values[i];

            if (attnum <= 0)
                continue;
            if (index->indisprimary)
                *primary_key = bms_add_member(*primary_key, attnum);
            if (is_identity)
                *identity = bms_add_member(*identity, attnum);
        }
    }
    end_catalog_scan(&scan);
}
