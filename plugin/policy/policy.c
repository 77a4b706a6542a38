/*
 * wal2lake_policy: label provider and settings, for shared_preload_libraries.
 *
 * It must be there from the postmaster on. Were it loaded late, a client could
 * have put its own value into a setting's placeholder before (`options=-c ...`),
 * and labels would be refused in sessions that did not load it. It knows no key:
 * the hook that checks a key id reads the ids of the key file and forgets the
 * rest.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/dependency.h"
#include "catalog/objectaccess.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/seclabel.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "server/compat.h"

#include "core/key_file.h"
#include "core/label.h"
#include "core/policy.h"
#include "policy/label_history.h"
#include "policy/policy.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

static char* key_file_setting = NULL;
static char* admin_role_setting = NULL;
static char* message_prefixes_setting = NULL;
/* What it says: texts, each with its NUL, then an empty one. NULL: none. */
static const char* message_prefixes = NULL;

static ProcessUtility_hook_type previous_process_utility = NULL;
static object_access_hook_type previous_object_access = NULL;

/* Relations created by the CREATE TABLE ... PARTITION OF that is running; NULL outside of one. */
typedef struct CreatedRelations {
    List* oids;
    MemoryContext context;
} CreatedRelations;
static CreatedRelations* created_relations = NULL;

/* ---- settings ---- */

static const char* key_file(void)
{
    return key_file_setting != NULL ? key_file_setting : "";
}

static const char* admin_role(void)
{
    return admin_role_setting != NULL ? admin_role_setting : "";
}

static bool is_admin(Oid role)
{
    Oid admin;

    if (superuser_arg(role))
        return true;
    if (admin_role()[0] == '\0')
        return false;
    admin = get_role_oid(admin_role(), true);
    return OidIsValid(admin) && has_privs_of_role(role, admin);
}

/* ASCII alone: a prefix is compared as bytes and sent as UTF-8, whatever the database's encoding. */
static bool is_fit_prefix(const char* prefix)
{
    for (const char* at = prefix; *at != '\0'; at++)
        if (IS_HIGHBIT_SET(*at))
            return false;
    return prefix[0] != '\0';
}

static bool check_message_prefixes(char** value, void** extra, GucSource source)
{
    List* prefixes;
    ListCell* cell;
    size_t size = strlen(*value) + 2;
    char* at;

    if (!SplitGUCList(pstrdup(*value), ',', &prefixes)) {
        GUC_check_errdetail("List syntax is invalid.");
        return false;
    }
    foreach (cell, prefixes)
        if (!is_fit_prefix(lfirst(cell))) {
            GUC_check_errdetail("A prefix is not empty and holds ASCII alone.");
            return false;
        }
    at = *extra = guc_malloc(LOG, size);
    if (at == NULL)
        return false;
    memset(at, 0, size);
    foreach (cell, prefixes) {
        size_t length = strlen(lfirst(cell)) + 1;

        memcpy(at, lfirst(cell), length);
        at += length;
    }
    return true;
}

static void assign_message_prefixes(const char* value, void* extra)
{
    message_prefixes = extra;
}

static bool message_may_leave(const char* prefix)
{
    if (message_prefixes != NULL)
        for (const char* at = message_prefixes; *at != '\0'; at += strlen(at) + 1)
            if (strcmp(at, prefix) == 0)
                return true;
    return false;
}

static void define_settings(void)
{
    DefineCustomStringVariable(
        "wal2lake.key_file", "File that holds the keys of the tokens.",
        "Absolute path of a file of mode 0600 owned by the server's user, outside of the data "
        "directory. Empty: nothing can be hashed.",
        &key_file_setting, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
    DefineCustomStringVariable("wal2lake.admin_role", "Role whose members may loosen labels.",
                               "Empty: superusers alone may.", &admin_role_setting, "", PGC_SIGHUP, 0, NULL,
                               NULL, NULL);
    DefineCustomStringVariable(
        "wal2lake.message_prefixes", "Prefixes of logical messages that may leave the server.",
        "A list; a prefix must be the same to the letter. Empty: none may.", &message_prefixes_setting, "",
        PGC_SIGHUP, 0, check_message_prefixes, assign_message_prefixes, NULL);
    MarkGUCPrefixReserved("wal2lake");
}

/* ---- the label hook ---- */

pg_noreturn static void refuse(const char* what)
{
    ereport(ERROR,
            (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("%s needs the wal2lake admin role", what),
             admin_role()[0] != '\0'
                 ? errhint("Ask a superuser or a member of role \"%s\" (wal2lake.admin_role).", admin_role())
                 : errhint("Ask a superuser, or have wal2lake.admin_role set to a role you belong to.")));
}

pg_noreturn static void reject(const char* reason)
{
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid wal2lake label: %s", reason)));
}

static bool same_domain(const w2l_verdict* a, const w2l_verdict* b)
{
    if (a->domain == NULL || b->domain == NULL)
        return a->domain == b->domain;
    return a->domain_length == b->domain_length && memcmp(a->domain, b->domain, a->domain_length) == 0;
}

/*
 * What anyone who owns the table may do: move up the order unlabelled = drop > hash > clear.
 * Both labels are judged as on text, of which everything can be hashed: the type of a
 * column is its owner's to change, and what a default hash comes to today with it.
 */
static void check_column_ratchet(const char* old_label, const char* new_label)
{
    w2l_type type = w2l_type_of(TEXTOID, false);
    w2l_verdict before;
    w2l_verdict after;

    if (new_label == NULL)
        refuse("removing a label");
    after = w2l_verdict_of_label(new_label, strlen(new_label), type);
    if (old_label == NULL) {
        if (after.action != W2L_ACTION_DROP)
            refuse("a first label other than drop");
        return;
    }
    before = w2l_verdict_of_label(old_label, strlen(old_label), type);
    if (after.action < before.action)
        refuse("loosening a label");
    if (after.class_ < before.class_)
        refuse("lowering a class");
    if (after.action == W2L_ACTION_HASH &&
        (before.action == W2L_ACTION_HASH ? !same_domain(&before, &after) : after.domain != NULL))
        refuse("choosing or changing a domain");
}

static void check_column_label(const ObjectAddress* object, const char* old_label, const char* new_label,
                               bool admin)
{
    char relkind = get_rel_relkind(object->objectId);
    Oid type_oid = getBaseType(get_atttype(object->objectId, (AttrNumber)object->objectSubId));
    w2l_type type = w2l_type_of(type_oid, type_is_enum(type_oid));
    char reason[300];
    w2l_column_label label;

    if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
        reject("only columns of tables and partitioned tables can be labelled");
    if (new_label != NULL) {
        if (!w2l_parse_column_label(new_label, strlen(new_label), &label, reason, sizeof(reason)))
            reject(reason);
        if (label.action == W2L_ACTION_HASH && label.action_written) {
            if (type.canonical == W2L_CANONICAL_NONE)
                ereport(ERROR,
                        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                         errmsg("values of type %s cannot be hashed", format_type_be(type_oid)),
                         errhint("Use drop; the types that can be hashed are listed in docs/tokens.md.")));
            if (type.few_values && !admin)
                refuse("hashing a type with few values");
        }
        if (label.action == W2L_ACTION_HASH && !label.action_written &&
            (type.canonical == W2L_CANONICAL_NONE || type.few_values))
            ereport(
                NOTICE,
                (errmsg("values of type %s will be dropped, not hashed", format_type_be(type_oid)),
                 type.canonical == W2L_CANONICAL_NONE
                     ? errdetail("The type has no canonical form.")
                     : errdetail("The type has few values, so that tokens would be a dictionary of them.")));
    }
    if (!admin)
        check_column_ratchet(old_label, new_label);
}

static void check_table_label(const ObjectAddress* object, const char* old_label, const char* new_label,
                              bool admin)
{
    char relkind = get_rel_relkind(object->objectId);
    char reason[300];
    w2l_table_label label = W2L_TABLE_NONE;

    if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
        reject("only tables and partitioned tables can be labelled");
    if (new_label != NULL &&
        !w2l_parse_table_label(new_label, strlen(new_label), &label, reason, sizeof(reason)))
        reject(reason);
    /* On a table that is no partition "inherit" does nothing yet: a restore labels before it attaches. */
    if (admin)
        return;
    if (label == W2L_TABLE_INHERIT)
        refuse("letting a partition inherit");
    if (old_label != NULL && (new_label == NULL || strcmp(old_label, new_label) != 0))
        refuse("removing or changing a table's label");
}

/* The key's check digits, by the server's own HMAC: this library links no crypto. */
static void compute_check(const w2l_key* key, char out[W2L_CHECK_DIGITS + 1])
{
    static const char message[] = "wal2lake/v1/check";
    uint8 digest[PG_SHA256_DIGEST_LENGTH];
    pg_hmac_ctx* hmac = pg_hmac_create(PG_SHA256);

    if (hmac == NULL || pg_hmac_init(hmac, key->secret, sizeof(key->secret)) < 0 ||
        pg_hmac_update(hmac, (const uint8*)message, strlen(message)) < 0 ||
        pg_hmac_final(hmac, digest, sizeof(digest)) < 0) {
        pg_hmac_free(hmac);
        ereport(ERROR,
                (errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION), errmsg("could not compute check digits")));
    }
    pg_hmac_free(hmac);
    for (int i = 0; i < W2L_CHECK_DIGITS / 2; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static void check_database_label(const ObjectAddress* object, const char* new_label, bool admin)
{
    char reason[600];
    w2l_database_label label;
    w2l_key_set keys;
    const w2l_key* key;
    bool known;
    char check[W2L_CHECK_DIGITS + 1] = "";

    if (object->objectId != MyDatabaseId)
        reject("connect to the database that is to be labelled");
    if (!admin)
        refuse("a label on a database");
    if (new_label == NULL)
        return;
    if (!w2l_parse_database_label(new_label, strlen(new_label), &label, reason, sizeof(reason)))
        reject(reason);
    if (key_file()[0] == '\0')
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("key \"%s\" cannot be chosen without a key file", label.key_id),
                        errhint("Set wal2lake.key_file and reload the server.")));
    if (!w2l_key_file_read(key_file(), DataDir, &keys, reason, sizeof(reason)))
        ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR), errmsg("%s", reason)));
    key = w2l_key_find(&keys, label.key_id);
    known = key != NULL;
    PG_TRY();
    {
        if (known && label.check[0] != '\0')
            compute_check(key, check);
    }
    PG_FINALLY();
    {
        w2l_wipe(&keys, sizeof(keys));
    }
    PG_END_TRY();
    if (!known)
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("key \"%s\" is not in the key file", label.key_id),
                 errhint("Add it to the file on every server of the cluster first.")));
    if (strcmp(check, label.check) != 0)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("check digits of key \"%s\" are %s, not %s", label.key_id, check, label.check),
                 errhint("Compare the key file with the one of the server that the digits come from.")));
}

/*
 * The trail, in the log and in the database: every change, who made it, what it was.
 * Labels hold no values. The outer user is who called the SECURITY DEFINER function
 * that labels, if one does. To remove what is not there is no change: a row without
 * labels says that a column appeared.
 */
static void record_label_change(const ObjectAddress* object, const char* old_label, const char* new_label)
{
    if (old_label == NULL && new_label == NULL)
        return;
    keep_label_change(object, old_label, new_label);
    ereport(LOG, (errmsg("wal2lake: label on %s set to \"%s\" by role \"%s\", was \"%s\"",
                         getObjectDescription(object, false), new_label != NULL ? new_label : "",
                         GetUserNameFromId(GetOuterUserId(), false), old_label != NULL ? old_label : ""),
                  GetOuterUserId() != GetUserId() ? errdetail("It ran with the rights of role \"%s\".",
                                                              GetUserNameFromId(GetUserId(), false))
                                                  : 0,
                  errhidestmt(true), errhidecontext(true)));
}

/* Tables of the extension say what decoding is to believe, and who labelled what: they are nobody's data. */
static bool is_ours(const ObjectAddress* object)
{
    Oid extension = object->classId == RelationRelationId
                        ? getExtensionOfObject(RelationRelationId, object->objectId)
                        : InvalidOid;

    return OidIsValid(extension) && extension == get_extension_oid("wal2lake", true);
}

/* Called after core checked ownership and before it stores the label. */
static void relabel(const ObjectAddress* object, const char* new_label)
{
    char* old_label = GetSecurityLabel(object, WAL2LAKE_PROVIDER);
    bool admin = is_admin(GetUserId());

    if (is_ours(object))
        reject("tables of the extension wal2lake are never sent");
    if (object->classId == RelationRelationId && object->objectSubId != 0)
        check_column_label(object, old_label, new_label, admin);
    else if (object->classId == RelationRelationId)
        check_table_label(object, old_label, new_label, admin);
    else if (object->classId == DatabaseRelationId)
        check_database_label(object, new_label, admin);
    else
        reject("columns, tables and the database can be labelled, nothing else");

    /* Decoding sees the change at this position of the WAL, and at once where it is up to date. */
    if (object->classId == DatabaseRelationId)
        CacheInvalidateRelcacheAll();
    else
        CacheInvalidateRelcacheByRelid(object->objectId);

    record_label_change(object, old_label, new_label);
}

static void set_label(const ObjectAddress* object, const char* label)
{
    relabel(object, label);
    SetSecurityLabel(object, WAL2LAKE_PROVIDER, label);
}

/* ---- partitions that are created as such ---- */

/* A table label of our own making: past the hook, and told like any other. */
static void set_table_label(Oid relid, const char* old_label, const char* new_label)
{
    ObjectAddress object;

    ObjectAddressSet(object, RelationRelationId, relid);
    SetSecurityLabel(&object, WAL2LAKE_PROVIDER, new_label);
    CacheInvalidateRelcacheByRelid(relid);
    record_label_change(&object, old_label, new_label);
}

static void note_created_relation(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void* arg)
{
    if (previous_object_access != NULL)
        previous_object_access(access, class_id, object_id, sub_id, arg);
    if (created_relations != NULL && access == OAT_POST_CREATE && class_id == RelationRelationId &&
        sub_id == 0) {
        MemoryContext old = MemoryContextSwitchTo(created_relations->context);

        created_relations->oids = lappend_oid(created_relations->oids, object_id);
        MemoryContextSwitchTo(old);
    }
}

/* A table of the list that is a partition takes its ancestors' labels from now on. */
static void label_new_partitions(List* oids)
{
    ListCell* cell;

    CommandCounterIncrement();
    foreach (cell, oids) {
        Oid relid = lfirst_oid(cell);
        char relkind = get_rel_relkind(relid);

        if ((relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE) ||
            !get_rel_relispartition(relid))
            continue;
        set_table_label(relid, NULL, "inherit");
    }
}

/*
 * A table created by CREATE TABLE ... PARTITION OF is its parent's from the first
 * row on, so it may inherit what leaves in clear.
 */
static bool creates_partition(Node* statement)
{
    return IsA(statement, CreateStmt) && ((CreateStmt*)statement)->partbound != NULL &&
           OidIsValid(get_extension_oid("wal2lake", true));
}

/*
 * A table attached later holds rows that were somebody else's: it keeps its own
 * labels until the admin labels it "inherit". So a mark from an earlier life is
 * taken back when a partition is detached, and when anyone but the admin attaches
 * it. Not where the statement did neither: ALTER TABLE IF EXISTS may have skipped all
 * of it, and asked nobody about the partition.
 */
static void unmark_moved_partitions(AlterTableStmt* statement)
{
    ListCell* cell;

    if (!OidIsValid(RangeVarGetRelid(statement->relation, NoLock, true)))
        return;
    foreach (cell, statement->cmds) {
        AlterTableCmd* command = lfirst_node(AlterTableCmd, cell);
        bool attach = command->subtype == AT_AttachPartition;
        ObjectAddress object;
        char* label;
        Oid relid;

        if (!attach && command->subtype != AT_DetachPartition &&
            command->subtype != AT_DetachPartitionFinalize)
            continue;
        if (attach && is_admin(GetUserId()))
            continue;
        relid = RangeVarGetRelid(castNode(PartitionCmd, command->def)->name, NoLock, true);
        if (!OidIsValid(relid) || attach != get_rel_relispartition(relid))
            continue;
        ObjectAddressSet(object, RelationRelationId, relid);
        label = GetSecurityLabel(&object, WAL2LAKE_PROVIDER);
        if (label != NULL && strcmp(label, "inherit") == 0)
            set_table_label(relid, label, NULL);
    }
}

/* Runs the statement and collects the relations that it creates. */
static List* run_collecting(ProcessUtility_hook_type next, PlannedStmt* pstmt, const char* query_string,
                            bool read_only_tree, ProcessUtilityContext context, ParamListInfo params,
                            QueryEnvironment* query_env, DestReceiver* dest, QueryCompletion* completion)
{
    CreatedRelations mine = {NIL, CurrentMemoryContext};
    CreatedRelations* outer = created_relations;

    created_relations = &mine;
    PG_TRY();
    {
        next(pstmt, query_string, read_only_tree, context, params, query_env, dest, completion);
    }
    PG_FINALLY();
    {
        created_relations = outer;
    }
    PG_END_TRY();
    return mine.oids;
}

static void process_utility(PlannedStmt* pstmt, const char* query_string, bool read_only_tree,
                            ProcessUtilityContext context, ParamListInfo params, QueryEnvironment* query_env,
                            DestReceiver* dest, QueryCompletion* completion)
{
    ProcessUtility_hook_type next =
        previous_process_utility != NULL ? previous_process_utility : standard_ProcessUtility;
    Node* statement = pstmt->utilityStmt;

    if (creates_partition(statement))
        label_new_partitions(run_collecting(next, pstmt, query_string, read_only_tree, context, params,
                                            query_env, dest, completion));
    else {
        next(pstmt, query_string, read_only_tree, context, params, query_env, dest, completion);
        if (IsA(statement, AlterTableStmt))
            unmark_moved_partitions((AlterTableStmt*)statement);
    }
}

/* ---- loading ---- */

void _PG_init(void)
{
    static Wal2lakePolicy policy = {WAL2LAKE_POLICY_VERSION, key_file, is_admin, message_may_leave,
                                    set_label};

    if (!process_shared_preload_libraries_in_progress)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("wal2lake_policy must be loaded via shared_preload_libraries"),
                        errhint("Add wal2lake_policy to shared_preload_libraries and restart the server.")));
    define_settings();
    register_label_provider(WAL2LAKE_PROVIDER, relabel);
    previous_process_utility = ProcessUtility_hook;
    ProcessUtility_hook = process_utility;
    previous_object_access = object_access_hook;
    object_access_hook = note_created_relation;
    *find_rendezvous_variable(WAL2LAKE_POLICY_RENDEZVOUS) = &policy;
}
