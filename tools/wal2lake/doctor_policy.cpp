#include "doctor_policy.h"

#include <cstdlib>
#include <map>

#include <libpq-fe.h>

namespace wal2lake
{
namespace
{

using Row = PostgresSource::Row;
using Parameters = std::map<std::string, std::string>;

constexpr const char* kAdvice =
    "name a superuser, or a member of wal2lake.admin_role, in --admin-conninfo or WAL2LAKE_ADMIN_CONNINFO";

std::optional<Parameters> ParametersOf(const std::string& conninfo)
{
    PQconninfoOption* options = PQconninfoParse(conninfo.c_str(), nullptr);
    if (options == nullptr)
        return std::nullopt;
    Parameters parameters;
    for (const PQconninfoOption* option = options; option->keyword != nullptr; option++)
        if (option->val != nullptr)
            parameters[option->keyword] = option->val;
    PQconninfoFree(options);
    return parameters;
}

SourceError Unreadable()
{
    return {"", "the connection string of the admin, or that of the source, cannot be read"};
}

// An admin of another database would review another policy.
bool LeadsElsewhere(const DoctorNames& names, const ServerFacts& server, PostgresSource* source,
                    PolicyFacts* facts)
{
    SourceFacts there;
    if (!source->ReadFacts(names.slot, &there)) {
        facts->error = source->error();
        return true;
    }
    if (!server.source ||
        (there.system_id == server.source->system_id && there.database_oid == server.source->database_oid))
        return false;
    facts->error = SourceError{"", "the connection string of the admin leads to database \"" +
                                       there.database + "\", which is not that of the source"};
    return true;
}

// False where check() may not be called, or that cannot be found out.
bool MayAsk(PostgresSource* source, PolicyFacts* facts)
{
    std::vector<Row> rows;
    if (!source->ReadRows("SELECT coalesce(pg_catalog.has_function_privilege("
                          "pg_catalog.to_regprocedure('wal2lake.check()'), 'EXECUTE'), false),"
                          " wal2lake.is_admin()",
                          &rows)) {
        if (source->error().sqlstate == "42501")
            facts->refused = true;
        else
            facts->error = source->error();
        return false;
    }
    facts->is_admin = rows[0][1] == "t";
    facts->refused = rows[0][0] != "t" || !facts->is_admin;
    return !facts->refused;
}

Code CodeOf(const PolicyFacts::Row& row)
{
    return row.severity == "error"     ? Code::kPolicyError
           : row.severity == "warning" ? Code::kPolicyWarning
                                       : Code::kPolicyInfo;
}

} // namespace

std::optional<std::string> LaidOver(const std::string& conninfo, const std::string& over)
{
    auto parameters = ParametersOf(conninfo);
    const auto others = ParametersOf(over);
    if (!parameters || !others)
        return std::nullopt;
    // A service says by itself where it leads; what we added would come before it.
    if (others->contains("service"))
        return over;
    if (others->contains("user"))
        parameters->erase("password");
    if (others->contains("host"))
        parameters->erase("hostaddr");
    for (const auto& [name, value] : *others)
        (*parameters)[name] = value;
    std::string text;
    for (const auto& [name, value] : *parameters)
        text += (text.empty() ? "" : " ") + name + "=" + ConninfoQuoted(value);
    return text;
}

std::string AdminConninfo(const std::string& option)
{
    const char* environment = std::getenv("WAL2LAKE_ADMIN_CONNINFO");
    return !option.empty() || environment == nullptr ? option : environment;
}

std::optional<PolicyFacts> LookAtPolicy(const DoctorNames& names, const std::string& admin_conninfo,
                                        const ServerFacts& server)
{
    const bool loaded = server.settings.contains("wal2lake.admin_role");
    if (server.connect_error || !loaded || !server.extension || server.extension->version.empty())
        return std::nullopt;
    PolicyFacts facts;
    facts.by_admin = !admin_conninfo.empty();
    const auto conninfo = facts.by_admin ? LaidOver(names.conninfo, admin_conninfo) : names.conninfo;
    if (!conninfo) {
        facts.error = Unreadable();
        return facts;
    }
    PostgresSource source;
    if (!source.Connect(*conninfo, PostgresSource::Protocol::kSql)) {
        facts.error = source.error();
        return facts;
    }
    facts.role = source.user();
    if ((facts.by_admin && LeadsElsewhere(names, server, &source, &facts)) || !MayAsk(&source, &facts))
        return facts;
    std::vector<Row> rows;
    if (!source.ReadRows("SELECT severity, code, object, finding, fix FROM wal2lake.check()", &rows)) {
        facts.error = source.error();
        return facts;
    }
    for (const Row& row : rows)
        facts.rows.push_back({row[0].value_or(""), row[1].value_or(""), row[2].value_or(""),
                              row[3].value_or(""), row[4].value_or("")});
    return facts;
}

void JudgePolicy(const SourceReport& report, FindingList* findings)
{
    if (!report.policy)
        return;
    const PolicyFacts& policy = *report.policy;
    const std::string object = "wal2lake.check()";
    if (policy.error) {
        findings->Add(Code::kNotChecked, object, "could not be asked: " + BeforeFix(policy.error->text),
                      {{Fix::Kind::kAdvice, policy.by_admin ? "correct --admin-conninfo" : kAdvice}});
    } else if (policy.refused && policy.by_admin) {
        findings->Add(Code::kNotChecked, object, "role " + policy.role + " may not call it",
                      {policy.is_admin
                           ? Fix{Fix::Kind::kSql, "GRANT EXECUTE ON FUNCTION wal2lake.check() TO " +
                                                      PostgresSource::Identifier(policy.role) + ";"}
                           : Fix{Fix::Kind::kAdvice, kAdvice}});
    } else if (policy.refused) {
        findings->Add(
            Code::kPolicyNotReviewed, object,
            "role " + policy.role +
                " may not call it, which is right for a forwarder: who gets past the labels, keys and labels"
                " that may not be what was meant were not looked at",
            {{Fix::Kind::kShell,
              "wal2lake doctor" + report.names.arguments + " --admin-conninfo user=postgres"}});
    }
    for (const PolicyFacts::Row& row : policy.rows) {
        std::vector<Fix> fixes;
        if (!row.fix.empty())
            fixes.push_back({row.fix.ends_with(';') ? Fix::Kind::kSql : Fix::Kind::kAdvice, row.fix});
        findings->Add(CodeOf(row), row.code + " " + row.object, row.finding, std::move(fixes));
    }
}

} // namespace wal2lake
