#include "policy_code/command.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <optional>

#include "doctor_policy.h"
#include "list_text.h"
#include "policy_code/apply.h"
#include "policy_code/catalog.h"
#include "policy_code/check.h"
#include "policy_code/codes.h"
#include "policy_code/document.h"
#include "policy_code/drift.h"
#include "policy_code/export.h"
#include "policy_code/files.h"
#include "policy_code/plan.h"
#include "policy_code/plan_file.h"
#include "policy_code/plan_text.h"
#include "policy_code/report.h"
#include "policy_code/revision.h"
#include "policy_code/structure.h"
#include "printable.h"

namespace wal2lake
{
namespace
{

constexpr int kNothing = 0;
constexpr int kFailed = 1;
constexpr int kSomething = 2;

int Complain(const std::string& text)
{
    std::fprintf(stderr, "wal2lake: %s\n", PrintableSentence(text).c_str());
    return kFailed;
}

void Print(const std::string& text)
{
    // main() sees whether it could be written.
    (void)std::fwrite(text.data(), 1, text.size(), stdout);
}

// ---- where the database is ----

Result<std::string> ConninfoOf(const PolicyServer& server)
{
    const CommonOptions& common = server.common;
    if (HoldsPassword(server.admin_conninfo))
        return Error{ErrorKind::kInvalid, kAdminPasswordRefused};
    std::string conninfo = common.conninfo;
    // A connection string says enough: policies need no lake.
    if (common.conninfo.empty() || !common.source.empty() || !common.config_path.empty()) {
        const auto settings = LoadSettings(common, Needs::kOneSource);
        if (!settings.ok())
            return settings.error();
        conninfo = settings.value().source->conninfo;
    } else if (HoldsPassword(conninfo)) {
        return Error{ErrorKind::kInvalid, kPasswordRefused};
    }
    const std::string admin = AdminConninfo(server.admin_conninfo);
    if (admin.empty())
        return conninfo;
    auto together = LaidOver(conninfo, admin);
    if (!together)
        return Error{ErrorKind::kInvalid,
                     "the connection string of the admin, or that of the source, cannot be read"};
    return std::move(*together);
}

Result<Done> Connect(const PolicyServer& server, PostgresSource* source)
{
    const auto conninfo = ConninfoOf(server);
    if (!conninfo.ok())
        return conninfo.error();
    if (!source->Connect(conninfo.value(), PostgresSource::Protocol::kSql))
        return Error{ErrorKind::kPermanent, source->error().text};
    return Done{};
}

Result<Catalog> CatalogOf(const PolicyServer& server)
{
    PostgresSource source;
    const auto connected = Connect(server, &source);
    if (!connected.ok())
        return connected.error();
    return ReadCatalog(&source);
}

std::vector<Dictionary> ReadDictionaries(const std::vector<std::string>& folders,
                                         std::vector<PolicyFinding>* findings, Error* error)
{
    std::vector<Dictionary> dictionaries;
    for (const std::string& folder : folders) {
        const auto documents = ReadDocuments(folder);
        if (!documents.ok()) {
            *error = documents.error();
            return {};
        }
        auto read = ParseDictionaries(folder, documents.value(), findings);
        std::move(read.begin(), read.end(), std::back_inserter(dictionaries));
    }
    return dictionaries;
}

// ---- findings ----

bool AnyFails(const std::vector<PolicyFinding>& findings)
{
    for (const PolicyFinding& finding : findings)
        if (finding.severity != PolicySeverity::kInfo)
            return true;
    return false;
}

int Report(const std::vector<PolicyFinding>& findings, const PolicyReports& reports)
{
    Print(FindingsAsText(findings));
    for (const auto& [path, text] : {std::pair{reports.junit, FindingsAsJunit(findings)},
                                     std::pair{reports.code_quality, FindingsAsCodeQuality(findings)}}) {
        if (path.empty())
            continue;
        const auto written = WriteFile(path, text);
        if (!written.ok())
            return Complain(written.error().text);
    }
    return AnyFails(findings) ? kSomething : kNothing;
}

// What keeps a policy from being used at all, on standard error; the answer of the command.
int Refuse(const std::vector<PolicyFinding>& findings)
{
    std::fputs(FindingsAsText(findings).c_str(), stderr);
    return kFailed;
}

struct ReadPolicy {
    Documents documents;
    Policy policy;
};

Result<ReadPolicy> PolicyIn(const std::string& folder)
{
    auto documents = ReadDocuments(folder);
    if (!documents.ok())
        return documents.error();
    Policy policy = ParsePolicy(folder, documents.value());
    return ReadPolicy{std::move(documents.value()), std::move(policy)};
}

} // namespace

// ---- export ----

namespace
{

Result<Schema> SchemaFor(const PolicyServer& server, const PolicyExportOptions& options,
                         std::vector<PolicyFinding>* findings)
{
    if (options.structure.empty()) {
        auto catalog = CatalogOf(server);
        if (!catalog.ok())
            return catalog.error();
        return std::move(catalog.value().schema);
    }
    const auto text = ReadFile(options.structure);
    if (!text.ok())
        return text.error();
    return ParseStructure(options.structure, text.value(), findings);
}

void PrintNames(const char* what, const std::vector<std::string>& names)
{
    constexpr size_t kShown = 20;
    if (!names.empty())
        Print(std::string(what) + ": " + Printable(ListText(names, kShown)) + "\n");
}

void PrintOutcome(const ExportOutcome& outcome, bool overwrite)
{
    Print(Several(outcome.new_documents, "new document") + ", " + std::to_string(outcome.changed_documents) +
          " changed, " + std::to_string(outcome.same_documents) + " as they were\n");
    Print("new lines: " + std::to_string(outcome.from_database) + " with the database's label, " +
          std::to_string(outcome.from_rules) + " by rules, " + std::to_string(outcome.suggested) +
          " suggested; " + std::to_string(outcome.undecided) + " say TODO\n");
    if (outcome.partitions > 0)
        Print("left out: " + Several(outcome.partitions, "partition") + ", which follow their roots\n");
    PrintNames("left out, views and foreign tables", outcome.skipped_views);
    PrintNames("left out, of extensions and without a label", outcome.skipped_of_extensions);
    PrintNames("in documents alone (declared ahead, or stale)", outcome.ahead);
    PrintNames(overwrite ? "now as in the database" : "otherwise in the database; the documents stay",
               outcome.differing);
}

} // namespace

int RunPolicyExport(const PolicyServer& server, const PolicyExportOptions& options)
{
    ExportRequest request{options.folder, {}, {}, {}, options.suggest, options.overwrite};
    if (IsThere(options.folder)) {
        auto read = PolicyIn(options.folder);
        if (!read.ok())
            return Complain(read.error().text);
        request.documents = std::move(read.value().documents);
        request.policy = std::move(read.value().policy);
    }
    std::vector<PolicyFinding> findings = request.policy.findings;
    Error unreadable{ErrorKind::kPermanent, ""};
    request.dictionaries = ReadDictionaries(options.dictionaries, &findings, &unreadable);
    if (!unreadable.text.empty())
        return Complain(unreadable.text);
    if (AnyFails(findings))
        return Refuse(findings);
    const auto schema = SchemaFor(server, options, &findings);
    if (!schema.ok())
        return Complain(schema.error().text);
    if (AnyFails(findings))
        return Refuse(findings);
    ExportOutcome outcome = ExportPolicy(schema.value(), request);
    for (const auto& [path, text] : outcome.written) {
        const std::string file = options.folder + "/" + path;
        // What was not read as a document, such as a folder, is somebody's all the same.
        if (!request.documents.contains(path) && IsThere(file)) {
            outcome.new_documents--;
            outcome.refused.push_back(MakeFinding("path-taken", Place{file, 0}, "", "something else is there",
                                                  "give it another name, and export again"));
            continue;
        }
        const auto written = WriteFile(file, text);
        if (!written.ok())
            return Complain(written.error().text);
    }
    PrintOutcome(outcome, options.overwrite);
    return outcome.refused.empty() ? kNothing : Refuse(outcome.refused);
}

// ---- check ----

namespace
{

struct Checked {
    Policy policy;
    std::optional<Schema> structure;
    std::vector<PolicyFinding> findings;
};

Checked Check(const PolicyCheckOptions& options, const Documents& documents,
              const std::optional<std::string>& structure, const std::vector<Dictionary>& dictionaries)
{
    Checked checked;
    checked.policy = ParsePolicy(options.folder, documents);
    checked.findings = checked.policy.findings;
    if (structure)
        checked.structure = ParseStructure(options.structure, *structure, &checked.findings);
    // There is nothing in it that could be compared, and a finding says so.
    if (checked.structure && checked.structure->tables.empty() && checked.structure->views.empty())
        checked.structure.reset();
    auto found = CheckPolicy(checked.policy, checked.structure ? &*checked.structure : nullptr,
                             options.structure, dictionaries);
    std::move(found.begin(), found.end(), std::back_inserter(checked.findings));
    return checked;
}

void PrintCodes()
{
    for (const PolicyCode& code : AllPolicyCodes())
        std::printf("%-8s %-25s %s\n", std::string(NameOf(code.severity)).c_str(),
                    std::string(code.name).c_str(), std::string(code.meaning).c_str());
}

// As they were. A folder that is not in the commit, such as one of another repository, ignored nothing: more is
// told then, not less.
Result<std::vector<Dictionary>> DictionariesAt(const PolicyCheckOptions& options,
                                               std::vector<PolicyFinding>* findings)
{
    std::vector<Dictionary> dictionaries;
    if (options.dictionaries.empty())
        return dictionaries;
    // Another repository may know the revision's name, as that of another commit.
    const auto commit = CommitOf(options.folder, options.since);
    if (!commit.ok())
        return commit.error();
    for (const std::string& folder : options.dictionaries) {
        const auto documents = DocumentsAt(folder, commit.value());
        if (!documents.ok())
            continue;
        auto read = ParseDictionaries(folder, documents.value(), findings);
        std::move(read.begin(), read.end(), std::back_inserter(dictionaries));
    }
    return dictionaries;
}

Result<Checked> CheckRevision(const PolicyCheckOptions& options)
{
    const auto documents = DocumentsAt(options.folder, options.since);
    if (!documents.ok())
        return documents.error();
    std::optional<std::string> structure;
    if (!options.structure.empty()) {
        auto text = FileAt(options.structure, options.since);
        if (!text.ok())
            return text.error();
        structure = std::move(text.value());
    }
    std::vector<PolicyFinding> findings;
    const auto dictionaries = DictionariesAt(options, &findings);
    if (!dictionaries.ok())
        return dictionaries.error();
    Checked checked = Check(options, documents.value(), structure, dictionaries.value());
    std::move(findings.begin(), findings.end(), std::back_inserter(checked.findings));
    return checked;
}

} // namespace

int RunPolicyCheck(const PolicyCheckOptions& options)
{
    if (options.list) {
        PrintCodes();
        return kNothing;
    }
    if (options.folder.empty())
        return Complain("DIR is required: the folder with a document for each table");
    const auto documents = ReadDocuments(options.folder);
    if (!documents.ok())
        return Complain(documents.error().text);
    std::optional<std::string> structure;
    if (!options.structure.empty()) {
        auto text = ReadFile(options.structure);
        if (!text.ok())
            return Complain(text.error().text);
        structure = std::move(text.value());
    }
    std::vector<PolicyFinding> dictionary_findings;
    Error unreadable{ErrorKind::kPermanent, ""};
    const auto dictionaries = ReadDictionaries(options.dictionaries, &dictionary_findings, &unreadable);
    if (!unreadable.text.empty())
        return Complain(unreadable.text);
    Checked now = Check(options, documents.value(), structure, dictionaries);
    std::move(dictionary_findings.begin(), dictionary_findings.end(), std::back_inserter(now.findings));
    // What was broken before is no excuse where nothing at all was looked at.
    const bool is_blind = structure && !now.structure;
    if (!options.since.empty() && !is_blind) {
        const auto before = CheckRevision(options);
        if (!before.ok())
            return Complain(before.error().text);
        now.findings = WithoutKnown(now.findings, before.value().findings);
        const std::optional<Schema>& earlier = before.value().structure;
        auto flows = Since(before.value().policy, now.policy, earlier ? &*earlier : nullptr,
                           now.structure ? &*now.structure : nullptr);
        std::move(flows.begin(), flows.end(), std::back_inserter(now.findings));
    }
    return Report(now.findings, options.reports);
}

// ---- plan, apply, diff ----

int RunPolicyPlan(const PolicyServer& server, const PolicyPlanOptions& options)
{
    const auto read = PolicyIn(options.folder);
    if (!read.ok())
        return Complain(read.error().text);
    std::vector<PolicyFinding> findings = read.value().policy.findings;
    if (AnyFails(findings))
        return Refuse(findings);
    const auto catalog = CatalogOf(server);
    if (!catalog.ok())
        return Complain(catalog.error().text);
    const Plan plan = MakePlan(read.value().policy, catalog.value(), &findings);
    if (AnyFails(findings))
        return Refuse(findings);
    Print(options.json ? FormatPlanJson(plan) : FormatPlan(plan));
    return plan.empty() ? kNothing : kSomething;
}

namespace
{

void PrintOutcome(const ApplyOutcome& outcome)
{
    Print(Several(outcome.done, "table") + " labelled");
    if (outcome.done_before > 0)
        Print(", " + std::to_string(outcome.done_before) + " before");
    if (outcome.declared > 0)
        Print(", declarations of " + Several(outcome.declared, "table"));
    Print("\n");
    if (!outcome.refused.empty())
        Print("-- For the admin (wal2lake.admin_role):\n");
    for (const std::string& statement : outcome.refused)
        Print(PrintableSql(statement) + "\n");
}

void ComplainOfOutcome(const ApplyOutcome& outcome)
{
    constexpr size_t kShown = 20;
    if (!outcome.moved.empty())
        Complain(ListText(outcome.moved, kShown) + " changed since the plan was made; make a new plan");
    if (!outcome.locked.empty())
        Complain(ListText(outcome.locked, kShown) +
                 " stayed locked (VACUUM, CREATE INDEX CONCURRENTLY, DDL or another label, see"
                 " pg_blocking_pids()); " +
                 (outcome.refused.empty() ? "apply the same plan again when they are done"
                                          : "make a new plan when they are done"));
    if (!outcome.refused.empty())
        Complain("the role may not do all of it; what is left is printed as SQL for the admin");
    for (const std::string& failed : outcome.failed)
        Complain(failed);
}

} // namespace

int RunPolicyApply(const PolicyServer& server, const PolicyApplyOptions& options)
{
    const auto patience = ParseDuration(options.lock_timeout);
    if (!patience.ok() || patience.value() <= 0)
        return Complain("--lock-timeout \"" + options.lock_timeout + "\" is no time such as 2s");
    const auto text = ReadFile(options.plan);
    if (!text.ok())
        return Complain(text.error().text);
    const auto plan = ParsePlanJson(text.value());
    if (!plan.ok())
        return Complain("\"" + options.plan + "\" " + plan.error().text);
    PostgresSource source;
    const auto connected = Connect(server, &source);
    if (!connected.ok())
        return Complain(connected.error().text);
    const auto outcome = ApplyPlan(plan.value(), {patience.value(), options.retries}, &source);
    if (!outcome.ok())
        return Complain(outcome.error().text);
    PrintOutcome(outcome.value());
    std::fflush(stdout);
    ComplainOfOutcome(outcome.value());
    return outcome.value().complete() ? kNothing : kFailed;
}

int RunPolicyDiff(const PolicyServer& server, const PolicyDiffOptions& options)
{
    const auto read = PolicyIn(options.folder);
    if (!read.ok())
        return Complain(read.error().text);
    if (AnyFails(read.value().policy.findings))
        return Refuse(read.value().policy.findings);
    const auto catalog = CatalogOf(server);
    if (!catalog.ok())
        return Complain(catalog.error().text);
    return Report(FindDrift(read.value().policy, options.folder, catalog.value()), options.reports);
}

} // namespace wal2lake
