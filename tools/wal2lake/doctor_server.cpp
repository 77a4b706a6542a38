#include "doctor_server.h"

#include <chrono>
#include <cstdlib>

#include "core/options.h"
#include "source_pull.h"

namespace wal2lake
{
namespace
{

using Row = PostgresSource::Row;

// Enough to see the shape of a mess without drowning in it.
constexpr const char* kLimit = " LIMIT 1000";

// Tables of users, their labels, and whether changes of them are sent. "line" is
// the table and, where it follows them, its ancestors (docs/labels.md, Partitions).
constexpr const char* kTables =
    "WITH label AS (SELECT objoid, objsubid, label FROM pg_catalog.pg_seclabel"
    "  WHERE provider = 'wal2lake' AND classoid = 'pg_catalog.pg_class'::pg_catalog.regclass),"
    " relation AS (SELECT c.oid, c.relkind, c.relreplident,"
    "   pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,"
    "   ARRAY(SELECT a.relid::pg_catalog.oid FROM pg_catalog.pg_partition_ancestors(c.oid) a) || c.oid AS "
    "line,"
    "   EXISTS (SELECT FROM label l WHERE l.objoid = c.oid AND l.objsubid = 0 AND l.label = 'inherit')"
    "     AS inherits"
    "   FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    "   WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'"
    "     AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'wal2lake')),"
    " judged AS (SELECT r.*,"
    "   EXISTS (SELECT FROM label l WHERE l.objoid = ANY (r.line) AND l.objsubid = 0 AND l.label = 'exclude')"
    "     AS excluded,"
    "   EXISTS (SELECT FROM label l WHERE l.objsubid > 0 AND l.objoid = r.oid"
    "           OR l.objsubid > 0 AND r.inherits AND l.objoid = ANY (r.line)) AS labelled"
    "   FROM relation r) ";

class Look
{
  public:
    Look(const DoctorNames& names, ServerFacts* facts) : names_(names), facts_(facts) {}

    void Run(const PluginOptions& options)
    {
        const bool connected = source_.Connect(names_.conninfo, PostgresSource::Protocol::kSql);
        facts_->user = source_.user();
        facts_->database = source_.database();
        facts_->over_socket = source_.over_socket();
        if (!connected) {
            facts_->connect_error = source_.error();
            return;
        }
        Settings();
        Role();
        Clock();
        SourceFacts source;
        if (source_.ReadFacts(names_.slot, &source))
            facts_->source = source;
        else
            Missed("system id, timeline and slots");
        Use();
        Extension();
        Identity();
        Labels();
        if (names_.pull) {
            Functions();
            return;
        }
        if (!MayReplicate())
            return;
        Decoding(options);
        // A run has one session; ours must not be what is one too many.
        source_.Close();
        PostgresSource walsender;
        if (!walsender.Connect(names_.conninfo))
            facts_->replication_error = walsender.error();
    }

  private:
    bool Rows(const char* what, const std::string& sql, std::vector<Row>* rows)
    {
        if (source_.ReadRows(sql, rows))
            return true;
        Missed(what);
        return false;
    }

    void Missed(const char* what) { facts_->unseen.push_back({what, source_.error().text}); }

    static int64_t Number(const std::optional<std::string>& text)
    {
        return text ? std::strtoll(text->c_str(), nullptr, 10) : 0;
    }

    static bool True(const std::optional<std::string>& text) { return text && *text == "t"; }

    void Settings()
    {
        std::vector<Row> rows;
        if (Rows("settings",
                 "SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ('wal_level',"
                 " 'max_replication_slots', 'max_wal_senders', 'max_slot_wal_keep_size',"
                 " 'idle_replication_slot_timeout', 'wal_sender_timeout', 'logical_decoding_work_mem',"
                 " 'output_plugin_libraries', 'shared_preload_libraries', 'data_directory',"
                 " 'wal2lake.key_file', 'wal2lake.admin_role', 'wal2lake.message_prefixes')",
                 &rows))
            for (const Row& row : rows)
                facts_->settings[*row[0]] = row[1].value_or("");
        if (Rows("version",
                 "SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.pg_is_in_recovery()",
                 &rows)) {
            facts_->version = static_cast<int>(Number(rows[0][0]));
            facts_->is_standby = True(rows[0][1]);
        }
    }

    void Role()
    {
        std::vector<Row> rows;
        if (!Rows("role",
                  "SELECT rolname, rolsuper, oid = 10, rolreplication,"
                  " pg_catalog.pg_has_role(oid, 'pg_read_all_settings', 'USAGE'),"
                  " pg_catalog.pg_has_role(oid, 'pg_read_all_data', 'USAGE')"
                  " FROM pg_catalog.pg_roles WHERE rolname = current_user",
                  &rows) ||
            rows.empty())
            return;
        RoleFacts role;
        role.name = *rows[0][0];
        role.superuser = True(rows[0][1]);
        role.bootstrap = True(rows[0][2]);
        role.replication = True(rows[0][3]);
        role.reads_all_settings = True(rows[0][4]);
        if (!role.superuser) {
            if (True(rows[0][5]))
                role.revokes.push_back("REVOKE pg_read_all_data FROM " + source_.Identifier(role.name) + ";");
            // What is granted to PUBLIC is not the role's; what it owns cannot be revoked.
            if (Rows("rights on tables",
                     "SELECT DISTINCT CASE WHEN g.rolname = current_user"
                     "  THEN pg_catalog.format('REVOKE SELECT ON %I.%I FROM %I;', n.nspname, c.relname,"
                     "                         g.rolname)"
                     "  ELSE pg_catalog.format('REVOKE %I FROM %I;', g.rolname, current_user) END"
                     " FROM pg_catalog.pg_class c"
                     " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                     " CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) x"
                     " JOIN pg_catalog.pg_roles g ON g.oid = x.grantee"
                     " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND x.privilege_type = 'SELECT'"
                     " AND x.grantee <> c.relowner AND pg_catalog.pg_has_role(current_user, g.oid, 'USAGE')"
                     " AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'wal2lake')"
                     " ORDER BY 1" +
                         std::string(kLimit),
                     &rows))
                for (const Row& row : rows)
                    role.revokes.push_back(*row[0]);
        }
        facts_->role = role;
    }

    void Clock()
    {
        using Seconds = std::chrono::duration<double>;
        const auto started = std::chrono::steady_clock::now();
        const auto before = std::chrono::system_clock::now();
        std::vector<Row> rows;
        if (!Rows("clock", "SELECT extract(epoch FROM pg_catalog.clock_timestamp())", &rows))
            return;
        const double half = Seconds(std::chrono::steady_clock::now() - started).count() / 2;
        const double ours = Seconds(before.time_since_epoch()).count() + half;
        facts_->clock_skew_s = std::strtod(rows[0][0].value_or("0").c_str(), nullptr) - ours;
        facts_->clock_error_s = half;
    }

    void Use()
    {
        std::vector<Row> rows;
        const std::string mine =
            " FROM pg_catalog.pg_replication_slots WHERE slot_name = " + source_.Literal(names_.slot);
        if (!Rows("use of slots",
                  "SELECT (SELECT count(*) FROM pg_catalog.pg_replication_slots),"
                  " (SELECT active_pid" +
                      mine +
                      "), (SELECT pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery()"
                      " THEN pg_catalog.pg_last_wal_replay_lsn()"
                      " ELSE pg_catalog.pg_current_wal_lsn() END, restart_lsn)" +
                      mine + ")",
                  &rows))
            return;
        facts_->use = SlotUse{Number(rows[0][0]), Number(rows[0][1]), Number(rows[0][2])};
    }

    void Extension()
    {
        std::vector<Row> rows;
        if (Rows("extension",
                 "SELECT (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'wal2lake'),"
                 " (SELECT default_version FROM pg_catalog.pg_available_extensions WHERE name = 'wal2lake')",
                 &rows))
            facts_->extension = ExtensionFacts{rows[0][0].value_or(""), rows[0][1].value_or(""), {}};
        if (facts_->extension &&
            Rows("event triggers",
                 "SELECT pg_catalog.quote_ident(t.evtname) FROM pg_catalog.pg_event_trigger t"
                 " JOIN pg_catalog.pg_depend d ON d.classid = "
                 "'pg_catalog.pg_event_trigger'::pg_catalog.regclass"
                 "  AND d.objid = t.oid AND d.deptype = 'e'"
                 " JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'wal2lake'"
                 " WHERE t.evtenabled NOT IN ('A', 'O') ORDER BY 1",
                 &rows))
            for (const Row& row : rows)
                facts_->extension->idle_triggers.push_back(*row[0]);
    }

    void Identity()
    {
        std::vector<Row> rows;
        // What identifies a row in WAL: of DEFAULT a primary key that is not
        // deferrable, of USING INDEX the index while it is there.
        if (!Rows("replica identities",
                  kTables + std::string("SELECT name, relreplident,"
                                        " bool_or(i.indisprimary AND i.indimmediate AND i.indisvalid),"
                                        " bool_or(i.indisprimary AND NOT i.indimmediate),"
                                        " bool_or(i.indisreplident AND i.indisvalid)"
                                        " FROM judged j LEFT JOIN pg_catalog.pg_index i ON i.indrelid = j.oid"
                                        " WHERE relkind = 'r' AND labelled AND NOT excluded"
                                        " GROUP BY name, relreplident ORDER BY name"),
                  &rows))
            return;
        IdentityAudit audit;
        for (const Row& row : rows) {
            const bool has_key = True(row[2]);
            const std::string identity = row[1].value_or("");
            if (identity == "n")
                (has_key ? audit.nothing_with_key : audit.nothing).push_back(*row[0]);
            else if (identity == "i" && !True(row[4]))
                audit.index_gone.push_back(*row[0]);
            else if (identity == "d" && !has_key)
                (True(row[3]) ? audit.deferrable_key : audit.no_key).push_back(*row[0]);
        }
        facts_->identity = audit;
    }

    void Labels()
    {
        std::vector<Row> rows;
        LabelAudit audit;
        if (!Rows("labels",
                  kTables +
                      std::string("SELECT name FROM judged WHERE relkind = 'r' AND NOT labelled"
                                  " AND NOT excluded ORDER BY name") +
                      kLimit,
                  &rows))
            return;
        for (const Row& row : rows)
            audit.unlabelled_tables.push_back(*row[0]);
        if (!Rows("labels",
                  kTables +
                      std::string("SELECT pg_catalog.format('%s.%I', j.name, a.attname),"
                                  " EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = j.oid"
                                  "         AND (i.indisprimary OR i.indisreplident)"
                                  "         AND a.attnum = ANY (i.indkey))"
                                  " FROM judged j JOIN pg_catalog.pg_attribute a ON a.attrelid = j.oid"
                                  " WHERE j.labelled AND NOT j.excluded AND NOT j.inherits"
                                  " AND a.attnum > 0 AND NOT a.attisdropped"
                                  " AND NOT EXISTS (SELECT FROM label l WHERE l.objoid = j.oid"
                                  "                 AND l.objsubid = a.attnum)"
                                  " ORDER BY j.name, a.attnum") +
                      kLimit,
                  &rows))
            return;
        for (const Row& row : rows)
            audit.unlabelled_columns.push_back({*row[0], True(row[1])});
        if (facts_->extension && !facts_->extension->version.empty() &&
            Rows("columns to be hashed", "SELECT count(*) FROM wal2lake.policy WHERE action = 'hash'", &rows))
            audit.hashed_columns = Number(rows[0][0]);
        facts_->labels = audit;
    }

    bool MayReplicate() const
    {
        return facts_->role && (facts_->role->replication || facts_->role->superuser);
    }

    // What a run calls, where it has no other right.
    void Functions()
    {
        std::vector<Row> rows;
        const std::string schema = PullSource::SchemaOf(names_.slot);
        if (!Rows("functions of the slot",
                  "SELECT count(*) = 2, coalesce(bool_and("
                  "pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
                  " AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')), false)"
                  " FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
                  " WHERE p.proname IN ('peek', 'advance') AND n.nspname = " +
                      source_.Literal(schema),
                  &rows))
            return;
        facts_->functions_exist = True(rows[0][0]);
        facts_->functions_allowed = True(rows[0][1]);
        if (*facts_->functions_exist && facts_->functions_allowed && MayTry())
            Try("SELECT count(*) FROM " + source_.Identifier(schema) +
                ".peek((SELECT confirmed_flush_lsn"
                " FROM pg_catalog.pg_replication_slots WHERE slot_name = " +
                source_.Literal(names_.slot) + "), '0/1')");
    }

    bool MayTry() const
    {
        const FenceNames fence{names_.source, names_.slot, names_.lake, names_.pull};
        return !facts_->is_standby.value_or(true) && facts_->source && !CheckSlot(fence, *facts_->source) &&
               facts_->use && facts_->use->active_pid == 0;
    }

    // What starts decoding is the server's own check of the allow-list and the
    // plugin's of policy, keys and options. An end position in the past ends it
    // with the first record read.
    void Decoding(PluginOptions options)
    {
        if (!MayTry())
            return;
        options.emplace("format_version", std::to_string(W2L_FORMAT_VERSION));
        std::string sql = "SELECT count(*) FROM pg_catalog.pg_logical_slot_peek_binary_changes(" +
                          source_.Literal(names_.slot) + ", '0/1', 1";
        for (const auto& [name, value] : options)
            sql += ", " + source_.Literal(name) + ", " + source_.Literal(value);
        Try(sql + ")");
    }

    void Try(const std::string& sql)
    {
        std::vector<Row> rows;
        const bool starts = source_.ReadRows(sql, &rows);
        // Somebody else was quicker, or moved the slot: no verdict.
        if (!starts && (source_.error().sqlstate == "55006" || source_.error().sqlstate == "W2L01"))
            return;
        facts_->decoding_starts = starts;
        if (!starts)
            facts_->decoding_error = source_.error();
    }

    const DoctorNames& names_;
    ServerFacts* facts_;
    PostgresSource source_;
};

} // namespace

void LookAtWalEndAgain(const DoctorNames& names, ServerFacts* facts)
{
    PostgresSource source;
    SourceFacts now;
    if (facts->source && source.Connect(names.conninfo, PostgresSource::Protocol::kSql) &&
        source.ReadFacts(names.slot, &now))
        facts->source->wal_flush_lsn = now.wal_flush_lsn;
}

ServerFacts LookAtServer(const DoctorNames& names, const PluginOptions& options)
{
    ServerFacts facts;
    Look(names, &facts).Run(options);
    return facts;
}

} // namespace wal2lake
