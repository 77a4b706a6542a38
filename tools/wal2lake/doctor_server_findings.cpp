#include "doctor_server_findings.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "list_text.h"
#include "server_defects.h"

namespace wal2lake
{
namespace
{

using Kind = Fix::Kind;

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kGiB = int64_t{1} << 30;
// What a slot may keep, in MB, before a short pause loses it.
constexpr int64_t kKeepSmallMb = 1024;
constexpr int64_t kKeepRecommendedGb = 50;
// Where the server sets no limit: what counts as far behind.
constexpr int64_t kFarBehind = 4 * kGiB;
constexpr int64_t kSenderTimeoutMs = 10'000;
constexpr int64_t kDecodingMemoryKb = 65'536;
constexpr int64_t kSlotsRecommended = 10;
constexpr size_t kNamesShown = 5;

constexpr const char* kReload = "\nSELECT pg_catalog.pg_reload_conf();";

Fix Restart()
{
    return {Kind::kRestart, "restart the server"};
}

std::string Quoted(const std::string& text)
{
    return "\"" + text + "\"";
}

// One item of a list setting as the server reads it: blanks around it do not
// count, quotes hold it together.
std::vector<std::string> ListItems(const std::string& setting)
{
    std::vector<std::string> items;
    std::string item;
    bool quoted = false;
    for (const char c : setting + ",") {
        if (c == '"')
            quoted = !quoted;
        else if (c == ',' && !quoted) {
            if (!item.empty())
                items.push_back(item);
            item.clear();
        } else if (quoted || std::isspace(static_cast<unsigned char>(c)) == 0)
            item += c;
    }
    return items;
}

// Why no session could be opened.
class ConnectionJudge
{
  public:
    ConnectionJudge(const SourceReport& report, FindingList* findings)
        : names_(report.names), server_(report.server), findings_(findings)
    {
    }

    void Run()
    {
        const SourceError& error = *server_.connect_error;
        const std::string said = BeforeFix(error.text);
        if (error.sqlstate == "28000" && error.text.find("role ") != std::string::npos &&
            error.text.find("does not exist") != std::string::npos)
            findings_->Add(Code::kRoleMissing, "role " + server_.user, said,
                           {{Kind::kSql, "CREATE ROLE " + PostgresSource::Identifier(server_.user) +
                                             (names_.pull ? " LOGIN;" : " LOGIN REPLICATION;")}});
        else if (error.sqlstate.starts_with("28"))
            findings_->Add(Code::kAccessRefused, "role " + server_.user, said, Access(error));
        else if (error.sqlstate == "3D000")
            findings_->Add(Code::kDatabaseMissing, "database " + server_.database, said,
                           {{Kind::kAdvice, "correct dbname in conninfo"}});
        else
            findings_->Add(Code::kCannotConnect, "server", said,
                           {{Kind::kAdvice, "start the server, or correct host and port in conninfo"}});
    }

  private:
    std::vector<Fix> Access(const SourceError& error) const
    {
        const std::string who = "  " + HbaQuoted(server_.database) + "  " + HbaQuoted(server_.user) + "  ";
        if (error.sqlstate == "28P01")
            return {{Kind::kAdvice, "correct the password in the passfile (PGPASSFILE) or service file"}};
        if (!server_.over_socket) {
            const size_t from = error.text.find("for host \"");
            const std::string address =
                from == std::string::npos
                    ? "samehost"
                    : error.text.substr(from + 10, error.text.find('"', from + 10) - from - 10);
            const bool numeric = from != std::string::npos;
            const char* mask = !numeric ? "" : address.find(':') == std::string::npos ? "/32" : "/128";
            return {{Kind::kPgHba, "hostssl" + who + address + mask + "  scram-sha-256"}};
        }
        if (names_.os_user == server_.user)
            return {{Kind::kPgHba, "local" + who + "peer"}};
        return {{Kind::kPgIdent, "wal2lake  " + HbaQuoted(names_.os_user) + "  " + HbaQuoted(server_.user)},
                {Kind::kPgHba, "local" + who + "peer map=wal2lake"}};
    }

    const DoctorNames& names_;
    const ServerFacts& server_;
    FindingList* findings_;
};

class ServerJudge
{
  public:
    ServerJudge(const SourceReport& report, FindingList* findings)
        : report_(report), names_(report.names), server_(report.server), findings_(findings)
    {
    }

    void Run()
    {
        Version();
        Preconditions();
        Settings();
        Role();
        AllowList();
        Slot();
        Functions();
        Extension();
        Messages();
        Labels();
        Decoding();
        Identity();
        for (const Unseen& unseen : server_.unseen)
            Add(Code::kNotChecked, unseen.what, "could not be looked at: " + BeforeFix(unseen.why),
                {{Kind::kAdvice, "look again as a superuser: wal2lake doctor" + names_.arguments +
                                     " with user=postgres in --conninfo"}});
    }

  private:
    void Add(Code code, std::string object, std::string sentence, std::vector<Fix> fixes)
    {
        added_.push_back(code);
        findings_->Add(code, std::move(object), std::move(sentence), std::move(fixes));
    }

    bool Has(Code code) const { return std::find(added_.begin(), added_.end(), code) != added_.end(); }

    const std::string* Setting(const char* name) const
    {
        const auto found = server_.settings.find(name);
        return found == server_.settings.end() ? nullptr : &found->second;
    }

    std::optional<int64_t> Number(const char* name) const
    {
        const std::string* text = Setting(name);
        return text == nullptr ? std::nullopt
                               : std::optional<int64_t>(std::strtoll(text->c_str(), nullptr, 10));
    }

    bool SeesAllSettings() const
    {
        return server_.role && (server_.role->superuser || server_.role->reads_all_settings);
    }

    std::string RoleName() const { return PostgresSource::Identifier(server_.role->name); }

    void Version()
    {
        const int version = server_.version;
        if (version == 0)
            return;
        const std::string object = "PostgreSQL " + VersionText(version);
        if (version < 150000) {
            Add(Code::kServerTooOld, object, "wal2lake needs PostgreSQL 15 or later",
                {{Kind::kAdvice, "upgrade the server"}});
            return;
        }
        const Fix upgrade{Kind::kAdvice, "upgrade to " + RecommendedMinor(version) + " or later"};
        const auto defects = ServerDefects(version);
        if (!defects.empty())
            Add(Code::kServerDefects, object, ListText(defects, defects.size()), {upgrade});
        const bool has_list =
            SeesAllSettings() ? Setting("output_plugin_libraries") != nullptr : HasAllowList(version);
        if (!has_list)
            Add(Code::kServerWithoutAllowList, object,
                "the server has no output_plugin_libraries: any REPLICATION role can make it load any library"
                " (CVE-2026-6471)",
                {upgrade});
    }

    // What needs a restart of the server.
    void Preconditions()
    {
        if (server_.is_standby.value_or(false))
            Add(Code::kServerIsStandby, "server",
                "the server is in recovery, and slots are read on the primary",
                {{Kind::kAdvice, "connect to the primary, or promote this server: SELECT pg_promote();"}});
        const std::string* wal_level = Setting("wal_level");
        if (wal_level != nullptr && *wal_level != "logical")
            Add(Code::kWalLevel, "wal_level", "wal_level is " + *wal_level + ", decoding needs logical",
                {{Kind::kSql, "ALTER SYSTEM SET wal_level = logical;"}, Restart()});
        if (!server_.settings.empty() && Setting("wal2lake.admin_role") == nullptr)
            Add(Code::kPolicyNotPreloaded, "shared_preload_libraries",
                "wal2lake_policy is not loaded, so decoding refuses to start", {Preload(), Restart()});
        if (!server_.use)
            return;
        const auto slots = Number("max_replication_slots");
        if (slots && server_.source && !server_.source->slot.exists && server_.use->slots_used >= *slots)
            Add(Code::kSlotsExhausted, "max_replication_slots",
                "all " + std::to_string(*slots) + " replication slots are taken",
                {{Kind::kSql, "ALTER SYSTEM SET max_replication_slots = " +
                                  std::to_string(std::max(kSlotsRecommended, *slots + 2)) + ";"},
                 Restart()});
        if (server_.replication_error && server_.use->active_pid == 0)
            Senders(*server_.replication_error);
    }

    void Senders(const SourceError& error)
    {
        if (error.text.find("max_wal_senders") == std::string::npos) {
            Add(Code::kReplicationRefused, "server",
                "SQL is served, the replication protocol is not: " + BeforeFix(error.text),
                {{Kind::kAdvice, "connect to the server itself, not to a pooler: correct host and port in"
                                 " conninfo"}});
            return;
        }
        const int64_t senders = Number("max_wal_senders").value_or(0);
        Add(Code::kSendersExhausted, "max_wal_senders",
            "all " + std::to_string(senders) + " connections for replication are taken",
            {{Kind::kSql, "ALTER SYSTEM SET max_wal_senders = " +
                              std::to_string(std::max(kSlotsRecommended, senders + 2)) + ";"},
             Restart()});
    }

    // Keeps what is there. Who cannot see that lets the superuser's session look.
    Fix Preload() const
    {
        const std::string* libraries = Setting("shared_preload_libraries");
        if (libraries == nullptr)
            return {Kind::kSql, "SELECT pg_catalog.format('ALTER SYSTEM SET shared_preload_libraries = %s',"
                                " pg_catalog.string_agg(pg_catalog.quote_literal(item), ', '))"
                                " FROM (SELECT pg_catalog.btrim(part, ' \"') AS item"
                                " FROM pg_catalog.regexp_split_to_table("
                                "pg_catalog.current_setting('shared_preload_libraries'), ',') AS part"
                                " UNION ALL SELECT 'wal2lake_policy') AS items WHERE item <> '' \\gexec"};
        std::string list;
        for (const std::string& item : ListItems(*libraries))
            list += PostgresSource::Literal(item) + ", ";
        return {Kind::kSql, "ALTER SYSTEM SET shared_preload_libraries = " + list + "'wal2lake_policy';"};
    }

    void Settings()
    {
        const auto keep = Number("max_slot_wal_keep_size");
        const std::string recommended = std::to_string(kKeepRecommendedGb) + "GB";
        const Fix set_keep = SetKeep(kKeepRecommendedGb);
        if (keep && *keep < 0)
            Add(Code::kWalKeepUnlimited, "max_slot_wal_keep_size",
                "it is -1: while the forwarder is away, the slot keeps WAL until the disk is full; a limit"
                " gives up the slot instead (take less than what pg_wal has free)",
                {set_keep});
        else if (keep && *keep < kKeepSmallMb)
            Add(Code::kWalKeepSmall, "max_slot_wal_keep_size",
                "it is " + std::to_string(*keep) +
                    " MB: a short pause of the forwarder already loses the slot",
                {set_keep});
        if (Number("idle_replication_slot_timeout").value_or(0) > 0)
            Add(Code::kIdleSlotTimeout, "idle_replication_slot_timeout",
                "the server gives up the slot when the forwarder is away for that long",
                {{Kind::kSql, std::string("ALTER SYSTEM SET idle_replication_slot_timeout = 0;") + kReload}});
        const auto timeout = Number("wal_sender_timeout");
        if (timeout && *timeout > 0 && *timeout < kSenderTimeoutMs)
            Add(Code::kSenderTimeoutShort, "wal_sender_timeout",
                "it is " + std::to_string(*timeout) +
                    " ms: the server gives up on connections that only answer slowly",
                {{Kind::kSql, std::string("ALTER SYSTEM SET wal_sender_timeout = '60s';") + kReload}});
        const auto memory = Number("logical_decoding_work_mem");
        if (memory && *memory < kDecodingMemoryKb)
            Add(Code::kDecodingMemorySmall, "logical_decoding_work_mem",
                "it is " + std::to_string(*memory) + " kB: transactions larger than that go through disk",
                {{Kind::kSql,
                  std::string("ALTER SYSTEM SET logical_decoding_work_mem = '64MB';") + kReload}});
    }

    static Fix SetKeep(int64_t gigabytes)
    {
        return {Kind::kSql,
                "ALTER SYSTEM SET max_slot_wal_keep_size = '" + std::to_string(gigabytes) + "GB';" + kReload};
    }

    void Role()
    {
        if (!server_.role)
            return;
        const RoleFacts& role = *server_.role;
        const std::string object = "role " + role.name;
        if (role.superuser)
            Add(Code::kRoleSuperuser, object,
                names_.pull ? "the role is a superuser; two functions are all that the forwarder needs"
                            : "the role is a superuser; REPLICATION is all that the forwarder needs",
                {role.bootstrap ? WithConninfo(names_, "user", "wal2lake")
                                : Fix{Kind::kSql, "ALTER ROLE " + RoleName() + " NOSUPERUSER " +
                                                      (names_.pull ? "NOREPLICATION;" : "REPLICATION;")}});
        else if (names_.pull && role.replication)
            Add(Code::kRoleReplicates, object,
                "the role has the REPLICATION attribute, which a source that is pulled does without: it can "
                "copy"
                " the whole cluster",
                {{Kind::kSql, "ALTER ROLE " + RoleName() + " NOREPLICATION;"}});
        else if (!names_.pull && !role.replication)
            Add(Code::kRoleNotReplication, object, "the role lacks the REPLICATION attribute",
                {{Kind::kSql, "ALTER ROLE " + RoleName() + " REPLICATION;"}});
        if (!role.revokes.empty())
            Add(Code::kRoleReadsTables, object,
                "the role may read tables, in clear and without wal2lake, which the forwarder never does",
                {{Kind::kSql, Lines(role.revokes)}});
        if (SeesAllSettings())
            return;
        std::string hidden = "wal2lake.key_file and shared_preload_libraries";
        if (HasAllowList(server_.version))
            hidden = "output_plugin_libraries, " + hidden;
        Add(Code::kSettingsHidden, object,
            "the role cannot see " + hidden +
                ": which other plugins it could use was not checked, and whether wal2lake itself may be used"
                " only where decoding could be tried",
            {{Kind::kSql, "GRANT pg_read_all_settings TO " + RoleName() + ";"}});
    }

    void AllowList()
    {
        const std::string* setting = Setting("output_plugin_libraries");
        const bool refused = server_.decoding_starts == false && server_.decoding_error.sqlstate == "42501" &&
                             server_.decoding_error.text.find("output_plugin_libraries") != std::string::npos;
        if (!server_.role || (setting == nullptr && !refused))
            return;
        // For the role alone: needs no knowledge of what others are allowed.
        const Fix fix{Kind::kSql, "ALTER ROLE " + RoleName() + " SET output_plugin_libraries = wal2lake;"};
        const auto items = ListItems(setting == nullptr ? "" : *setting);
        const auto mine = std::find(items.begin(), items.end(), "wal2lake");
        if (refused || mine == items.end())
            Add(Code::kAllowListMissing, "output_plugin_libraries",
                setting == nullptr ? BeforeFix(server_.decoding_error.text)
                                   : "it is " + Quoted(*setting) + " for the role and does not name wal2lake",
                {fix});
        else if (items.size() > 1 && !server_.role->superuser)
            Add(Code::kAllowListWide, "output_plugin_libraries",
                "it is " + Quoted(*setting) + " for the role, which can read all values through the others",
                {fix});
    }

    void Slot()
    {
        if (!server_.source)
            return;
        const SlotFacts& slot = server_.source->slot;
        const FenceNames fence{names_.source, names_.slot, names_.lake, names_.pull};
        const std::string object = "slot " + names_.slot;
        const auto refusal = CheckSlot(fence, *server_.source);
        if (refusal) {
            const auto [code, fixes] = SlotProblem(slot);
            Add(code, object, BeforeFix(refusal->sentence), fixes);
            return;
        }
        if (!server_.use)
            return;
        const SlotUse& use = *server_.use;
        if (use.active_pid != 0)
            Add(Code::kSlotActive, object,
                "process " + std::to_string(use.active_pid) +
                    " of the server reads it now; a second run has to wait, and decoding was not tried",
                {{Kind::kAdvice, "nothing to do where that is the forwarder"}});
        const int64_t keep = Number("max_slot_wal_keep_size").value_or(-1) * kMiB;
        if (slot.wal_status == "unreserved")
            Add(Code::kSlotUnreserved, object,
                "it keeps " + SizeText(static_cast<uint64_t>(use.retained_bytes)) +
                    ", more than max_slot_wal_keep_size allows: the next checkpoint may end it",
                {SetKeep(std::max(kKeepRecommendedGb, 2 * use.retained_bytes / kGiB + 1))});
        else if (use.retained_bytes > (keep >= 0 ? keep / 2 : kFarBehind))
            Add(Code::kSlotBehind, object,
                "it keeps " + SizeText(static_cast<uint64_t>(use.retained_bytes)) + " of WAL" +
                    (keep >= 0 ? ", more than half of max_slot_wal_keep_size" : ""),
                {{Kind::kShell, "wal2lake run" + names_.arguments}});
    }

    // Of a source that is pulled, once its slot is there.
    void Functions()
    {
        if (!names_.pull || !server_.functions_exist || !server_.role || !server_.source ||
            !server_.source->slot.exists || (*server_.functions_exist && server_.functions_allowed))
            return;
        const FenceNames fence{names_.source, names_.slot, names_.lake, names_.pull};
        std::string sql = CreatePullSource(fence, PostgresSource::Literal(RoleName()));
        if (*server_.functions_exist)
            sql = "SELECT wal2lake.drop_pull_source('" + names_.slot + "');\n" + sql;
        Add(Code::kPullFunctionsMissing, "slot " + names_.slot,
            *server_.functions_exist
                ? "role " + server_.role->name + " may not call the functions that read it"
                : std::string("the functions that read it do not exist"),
            {{Kind::kSql, sql}});
    }

    // Which of its checks the fence answered with, in its order.
    std::pair<Code, std::vector<Fix>> SlotProblem(const SlotFacts& slot) const
    {
        const bool has_log = report_.lake.tail || report_.lake.tail_error;
        if (!slot.exists && has_log)
            return {Code::kSlotGone, {AnotherId(names_)}};
        if (!slot.exists)
            return {Code::kSlotMissing,
                    {names_.pull
                         ? Fix{Kind::kSql, CreatePulledSlot({names_.source, names_.slot, names_.lake})}
                         : Fix{Kind::kShell, "wal2lake slot create" + names_.arguments}}};
        if (slot.type != "logical" || slot.plugin != "wal2lake")
            return {Code::kSlotOtherPlugin, {AnotherSlot(names_)}};
        if (slot.database != server_.source->database)
            return {Code::kSlotOtherDatabase, {WithConninfo(names_, "dbname", slot.database)}};
        const Code code = slot.wal_status == "lost" ? Code::kSlotLost : Code::kSlotTwoPhase;
        if (!has_log)
            return {code, RecreateSlot(names_)};
        return {code, {RecreateSlot(names_)[0], AnotherId(names_)}};
    }

    void Extension()
    {
        if (!server_.extension)
            return;
        const ExtensionFacts& extension = *server_.extension;
        const std::string command = WAL2LAKE_VERSION;
        if (extension.installed.empty())
            Add(Code::kPluginNotInstalled, "extension wal2lake",
                "the server has no files of wal2lake, neither plugin nor extension",
                {{Kind::kAdvice, "install wal2lake " + command + " on the server"}});
        else if (extension.version.empty())
            Add(Code::kExtensionMissing, "extension wal2lake",
                "it was not created in database " + server_.database +
                    ", so there is no wal2lake.classify and what is to be hashed was not checked",
                {{Kind::kSql, "CREATE EXTENSION wal2lake;"}});
        else if (extension.version != command || extension.installed != command)
            Add(Code::kExtensionVersion, "extension wal2lake",
                "version " + extension.version + " in the database, " + extension.installed +
                    " on the server, " + command + " of this command",
                {extension.installed == command
                     ? Fix{Kind::kSql, "ALTER EXTENSION wal2lake UPDATE TO '" + command + "';"}
                     : Fix{Kind::kAdvice, "install wal2lake " + command + " on the server"}});
        if (!extension.idle_triggers.empty())
            Add(Code::kDdlTriggerOff, Counted(extension.idle_triggers.size(), "event trigger"),
                "disabled, so drops, renames and rewrites that rows do not show are not told, or columns "
                "that were declared ahead are not labelled: " +
                    ListText(extension.idle_triggers, kNamesShown),
                {{Kind::kSql, ForEach(extension.idle_triggers, "ALTER EVENT TRIGGER ", " ENABLE ALWAYS;")}});
    }

    void Messages()
    {
        const std::string* prefixes = Setting("wal2lake.message_prefixes");
        if (prefixes != nullptr && !prefixes->empty())
            Add(Code::kMessagesOpen, "wal2lake.message_prefixes",
                "messages with these prefixes leave in clear, and any role may write one: " + *prefixes,
                {{Kind::kSql, std::string("ALTER SYSTEM SET wal2lake.message_prefixes = '';") + kReload}});
    }

    void Labels()
    {
        if (!server_.labels)
            return;
        const LabelAudit& labels = *server_.labels;
        if (!labels.unlabelled_tables.empty())
            Add(Code::kTablesUnlabelled, Counted(labels.unlabelled_tables.size(), "table"),
                "no column has a label and nothing is sent of " +
                    ListText(labels.unlabelled_tables, kNamesShown) +
                    "; label columns, or say that this is meant",
                {{Kind::kSql, ForEach(labels.unlabelled_tables, "SECURITY LABEL FOR wal2lake ON TABLE ",
                                      " IS 'exclude';")}});
        const std::string* key_file = Setting("wal2lake.key_file");
        const bool no_key = key_file != nullptr && key_file->empty();
        if (!labels.unlabelled_columns.empty()) {
            std::vector<std::string> columns;
            std::vector<std::string> lines;
            for (const auto& column : labels.unlabelled_columns) {
                columns.push_back(column.name);
                // As it is treated without: withheld, but hashed in a key.
                lines.push_back("SECURITY LABEL FOR wal2lake ON COLUMN " + column.name + " IS '" +
                                (column.in_key && !no_key ? "red" : "red drop") + "';");
            }
            Add(Code::kColumnsUnlabelled, Counted(columns.size(), "column"),
                "no label, so withheld or, in a key, hashed: " + ListText(columns, kNamesShown),
                {{Kind::kSql, Lines(lines)}});
        }
        if (no_key && labels.hashed_columns.value_or(0) > 0)
            Add(Code::kKeyMissing, "wal2lake.key_file",
                Counted(static_cast<size_t>(*labels.hashed_columns), "column") +
                    " shall be hashed and no key file is set, so decoding refuses to start",
                MakeKey());
    }

    std::vector<Fix> MakeKey() const
    {
        const std::string* data = Setting("data_directory");
        std::string folder = data == nullptr ? "/etc/wal2lake" : *data;
        while (folder.size() > 1 && folder.back() == '/')
            folder.pop_back();
        const std::string file = folder.substr(0, folder.rfind('/')) + "/wal2lake.keys";
        const std::string quoted = ShellQuoted(file);
        return {{Kind::kServerShell, "(umask 077 && set -C && echo \"k1 $(openssl rand -base64 32)\" > " +
                                         quoted + ") && chown --reference=" + ShellQuoted(folder) + " " +
                                         quoted},
                {Kind::kSql,
                 "ALTER SYSTEM SET wal2lake.key_file = " + PostgresSource::Literal(file) + ";" + kReload}};
    }

    void Decoding()
    {
        if (server_.decoding_starts.value_or(true) || Has(Code::kAllowListMissing) ||
            Has(Code::kPolicyNotPreloaded) || Has(Code::kKeyMissing))
            return;
        const SourceError& error = server_.decoding_error;
        std::string advice = AfterFinding(error.text);
        if (error.sqlstate == "58P01")
            advice = "install the plugin on the server";
        Fix fix{Kind::kAdvice, advice.empty() ? "see docs/security.md" : advice};
        if (names_.has_options && error.text.find("option") != std::string::npos)
            fix = {Kind::kConfig, "options = {}"};
        Add(Code::kDecodingRefused, "slot " + names_.slot, BeforeFix(error.text), {fix});
    }

    void Identity()
    {
        if (!server_.identity)
            return;
        const IdentityAudit& audit = *server_.identity;
        std::vector<std::string> nothing = audit.nothing_with_key;
        nothing.insert(nothing.end(), audit.nothing.begin(), audit.nothing.end());
        const auto statement = [](const std::vector<std::string>& tables, const char* identity) {
            return ForEach(tables, "ALTER TABLE ", std::string(" REPLICA IDENTITY ") + identity + ";");
        };
        const auto add = [&](Code code, const std::vector<std::string>& tables, const char* why,
                             const std::string& sql) {
            if (!tables.empty())
                Add(code, Counted(tables.size(), "table"),
                    std::string(why) +
                        ", so updates and deletes do not say which row: " + ListText(tables, kNamesShown),
                    {{Kind::kSql, sql}});
        };
        std::string sql = statement(audit.nothing_with_key, "DEFAULT");
        if (!sql.empty() && !audit.nothing.empty())
            sql += "\n";
        add(Code::kIdentityNothing, nothing, "REPLICA IDENTITY NOTHING",
            sql + statement(audit.nothing, "FULL"));
        add(Code::kIdentityMissing, audit.no_key, "no primary key", statement(audit.no_key, "FULL"));
        add(Code::kIdentityDeferrable, audit.deferrable_key, "the primary key is deferrable",
            statement(audit.deferrable_key, "FULL"));
        add(Code::kIdentityIndexGone, audit.index_gone, "the index of REPLICA IDENTITY USING INDEX is gone",
            statement(audit.index_gone, "FULL"));
    }

    static std::string Lines(const std::vector<std::string>& lines) { return ForEach(lines, "", ""); }

    static std::string ForEach(const std::vector<std::string>& names, const std::string& before,
                               const std::string& after)
    {
        std::string text;
        for (const std::string& name : names)
            text += (text.empty() ? "" : "\n") + before + name + after;
        return text;
    }

    static std::string Counted(size_t count, const char* thing)
    {
        return std::to_string(count) + " " + thing + (count == 1 ? "" : "s");
    }

    const SourceReport& report_;
    const DoctorNames& names_;
    const ServerFacts& server_;
    FindingList* findings_;
    std::vector<Code> added_;
};

} // namespace

void JudgeServer(const SourceReport& report, FindingList* findings)
{
    if (report.server.connect_error)
        ConnectionJudge(report, findings).Run();
    else
        ServerJudge(report, findings).Run();
}

} // namespace wal2lake
