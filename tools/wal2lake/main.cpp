// The command line: names, options, help. The only file that includes CLI11.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <google/protobuf/stubs/logging.h>

#include "cat.h"
#include "core_dump.h"
#include "doctor.h"
#include "lsn.h"
#include "policy_code/command.h"
#include "run.h"
#include "settings.h"
#include "slot.h"
#include "status.h"
#include "trim.h"
#include "verify.h"

namespace wal2lake
{
namespace
{

constexpr const char* kExitCodes = "Exit codes: 0 ok, 1 internal error, 2 usage or configuration,\n"
                                   "3 lake (damaged, of another source, divergence, gap),\n"
                                   "4 source (slot missing, of another plugin, refused by the server),\n"
                                   "5 store (cannot be read or written),\n"
                                   "6 late (status: the lake is older than slo.freshness)";

ExitCode Complain(const Error& error)
{
    std::fprintf(stderr, "wal2lake: %s\n", error.text.c_str());
    return error.kind == ErrorKind::kInvalid ? ExitCode::kUsage : ExitCode::kStore;
}

void AddCommon(CLI::App* app, CommonOptions* options)
{
    app->add_option("-c,--config", options->config_path,
                    "configuration file (default: WAL2LAKE_CONFIG or /etc/wal2lake/wal2lake.toml)");
    app->add_option("--lake", options->lake,
                    "where the log is, as file:///path, s3://bucket/prefix, gs://... or az://...");
    app->add_option("--source", options->source, "id of the source");
}

void AddServer(CLI::App* app, CommonOptions* options)
{
    app->add_option("--conninfo", options->conninfo, "connection string, without a password");
    app->add_option("--slot", options->slot, "replication slot (default: wal2lake)");
}

void AddRun(CLI::App* parent, CommonOptions* options, ExitCode* code)
{
    CLI::App* app = parent->add_subcommand("run", "forward the sources; SIGTERM seals, ships, acknowledges");
    AddCommon(app, options);
    AddServer(app, options);
    auto create_slot = std::make_shared<bool>(false);
    app->add_flag("--create-slot", *create_slot, "create slot and log where the lake has none yet");
    app->add_option("--option", options->plugin_options, "option for the plugin, as name=value; repeatable")
        ->allow_extra_args(false);
    app->add_option("--max-size", options->max_size, "segment.max_size, such as 64MiB");
    app->add_option("--max-age", options->max_age, "segment.max_age, such as 60s");
    app->add_option("--idle-age", options->idle_age, "segment.idle_age, such as 10m");
    app->add_option("--memory-budget", options->memory_budget, "memory.budget, such as 256MiB");
    app->add_option("--log-level", options->log_level, "debug, info, warning or error")
        ->capture_default_str();
    app->add_option("--log-format", options->log_format, "auto, text or json")->capture_default_str();
    app->callback([options, create_slot, code] {
        const auto settings = LoadSettings(*options, Needs::kSources);
        if (!settings.ok()) {
            *code = Complain(settings.error());
            return;
        }
        const auto log = OpenLog(*options);
        *code = log.ok() ? RunForwarder(settings.value(), log.value(), *create_slot) : Complain(log.error());
    });
}

void AddCat(CLI::App* parent, ExitCode* code)
{
    CLI::App* app = parent->add_subcommand("cat", "show frames or segments as JSON lines");
    auto options = std::make_shared<CatOptions>();
    auto from = std::make_shared<std::string>();
    app->add_option("PATH", options->paths,
                    "files, folders or URLs of a lake, or - (default: standard input)");
    auto common = std::make_shared<CommonOptions>();
    app->add_option("-c,--config", common->config_path,
                    "configuration file whose [lake] says how URLs are reached");
    app->add_option("--table", options->filter.table, "only this table, as schema.table");
    app->add_option("--from-lsn", *from, "only transactions that commit at or after, as 0/16B3748");
    app->add_flag("--relations", options->filter.relations, "show relation and statistics records too");
    app->add_flag("-f,--follow", options->follow, "go on with segments that are added to the folder");
    app->callback([options, from, common, code] {
        if (std::any_of(options->paths.begin(), options->paths.end(), IsStoreUrl)) {
            const auto settings = LoadSettings(*common, Needs::kLake);
            if (!settings.ok()) {
                *code = Complain(settings.error());
                return;
            }
            options->store = settings.value().config.store;
        }
        if (!from->empty()) {
            const auto lsn = ParseLsn(*from);
            if (!lsn) {
                *code = Complain(
                    {ErrorKind::kInvalid, "--from-lsn \"" + *from + "\" is no LSN such as 0/16B3748"});
                return;
            }
            options->filter.from_lsn = *lsn;
        }
        std::signal(SIGPIPE, SIG_IGN);
        const bool flush_lines = options->follow;
        *code = RunCat(*options, [flush_lines](const std::string& line) {
            return std::fwrite(line.data(), 1, line.size(), stdout) == line.size() &&
                   (!flush_lines || std::fflush(stdout) == 0);
        });
    });
}

void AddVerify(CLI::App* parent, CommonOptions* options, ExitCode* code)
{
    CLI::App* app = parent->add_subcommand("verify", "walk a log and check hashes, gaps, counts, checksums");
    AddCommon(app, options);
    auto json = std::make_shared<bool>(false);
    app->add_flag("--json", *json, "one JSON object for each source");
    app->callback([options, json, code] {
        const auto settings = LoadSettings(*options, Needs::kLake);
        *code = settings.ok() ? RunVerify(settings.value().config, options->source, *json)
                              : Complain(settings.error());
    });
}

void AddStatus(CLI::App* parent, CommonOptions* options, ExitCode* code)
{
    CLI::App* app = parent->add_subcommand("status", "how far each source is, by lake and server");
    AddCommon(app, options);
    AddServer(app, options);
    auto json = std::make_shared<bool>(false);
    app->add_flag("--json", *json, "one JSON array");
    app->callback([options, json, code] {
        const auto settings = LoadSettings(*options, Needs::kSources);
        *code = settings.ok() ? RunStatus(settings.value(), *json) : Complain(settings.error());
    });
}

void AddSlot(CLI::App* parent, CommonOptions* options, ExitCode* code)
{
    CLI::App* app = parent->add_subcommand("slot", "create, drop or list replication slots");
    app->require_subcommand(1);
    const auto add = [&](const char* name, const char* help, std::function<ExitCode(const Settings&)> run) {
        CLI::App* sub = app->add_subcommand(name, help);
        AddCommon(sub, options);
        AddServer(sub, options);
        sub->callback([options, code, run = std::move(run)] {
            const auto settings = LoadSettings(*options, Needs::kOneSource);
            *code = settings.ok() ? run(settings.value()) : Complain(settings.error());
        });
        return sub;
    };
    add("create", "create the slot and begin its log in the lake", RunSlotCreate)
        ->add_option("--option", options->plugin_options, "option for the plugin, as name=value; repeatable")
        ->allow_extra_args(false);
    auto yes = std::make_shared<bool>(false);
    add("drop", "drop the slot, which ends its log", [yes](const Settings& settings) {
        return RunSlotDrop(settings, *yes);
    })->add_flag("--yes", *yes, "do it");
    add("list", "list the slots of this plugin", RunSlotList);
}

void AddTrim(CLI::App* parent, CommonOptions* options, ExitCode* code)
{
    CLI::App* app = parent->add_subcommand("trim", "delete the oldest part of logs");
    AddCommon(app, options);
    auto trim = std::make_shared<TrimOptions>();
    app->add_option("--before-lsn", trim->before_lsn, "keep what is at or after, as 0/16B3748");
    app->add_option("--older-than", trim->older_than, "keep what was committed within, as 30d");
    app->add_flag("--dry-run", trim->dry_run, "show what would be deleted, and change nothing");
    app->add_flag("--yes", trim->yes, "do it without asking");
    app->add_flag("--json", trim->json, "one JSON object for each source");
    app->callback([options, trim, code] {
        const auto settings = LoadSettings(*options, Needs::kLake);
        *code = settings.ok() ? RunTrim(settings.value().config, options->source, *trim)
                              : Complain(settings.error());
    });
}

void AddDoctor(CLI::App* parent, CommonOptions* options, int* doctor_code)
{
    CLI::App* app = parent->add_subcommand("doctor", "check all that a run needs, and print the fixes");
    AddCommon(app, options);
    AddServer(app, options);
    auto doctor = std::make_shared<DoctorOptions>();
    app->add_flag("--json", doctor->json, "one JSON object with an array of findings");
    app->add_flag("--list", doctor->list, "list the codes of all findings and end");
    app->add_option("--admin-conninfo", doctor->admin_conninfo,
                    "who asks wal2lake.check(), such as user=postgres; what it does not name is as in"
                    " conninfo (default: WAL2LAKE_ADMIN_CONNINFO)");
    app->footer("Exit codes: 0 nothing above info, 1 warnings, 2 errors");
    app->callback([options, doctor, doctor_code] { *doctor_code = RunDoctor(*options, *doctor); });
}

// The server options of a policy command.
std::shared_ptr<PolicyServer> AddPolicyServer(CLI::App* app)
{
    auto server = std::make_shared<PolicyServer>();
    app->add_option("-c,--config", server->common.config_path,
                    "configuration file (default: WAL2LAKE_CONFIG or /etc/wal2lake/wal2lake.toml)");
    app->add_option("--source", server->common.source, "id of the source");
    app->add_option("--conninfo", server->common.conninfo,
                    "connection string of the database, without a password; needs no configuration file");
    app->add_option("--admin-conninfo", server->admin_conninfo,
                    "who asks, such as user=postgres; what it does not name is as in the source's conninfo"
                    " (default: WAL2LAKE_ADMIN_CONNINFO)");
    return server;
}

void AddPolicyReports(CLI::App* app, PolicyReports* reports)
{
    app->add_option("--junit", reports->junit, "write the findings to this file as JUnit XML too");
    app->add_option("--code-quality", reports->code_quality,
                    "write the findings to this file as a GitLab code quality report too");
}

CLI::Option* AddPolicyFolder(CLI::App* app, std::string* folder)
{
    return app->add_option("DIR", *folder, "folder with a document for each table")
        ->transform([](std::string given) {
            // As a shell completes it; paths are put together with a slash of their own.
            while (given.size() > 1 && given.ends_with('/'))
                given.pop_back();
            return given;
        })
        ->required();
}

void AddPolicyExport(CLI::App* parent, int* code)
{
    CLI::App* app = parent->add_subcommand("export", "write a document for each table that has none, and a"
                                                     " line for each column");
    auto options = std::make_shared<PolicyExportOptions>();
    auto server = AddPolicyServer(app);
    AddPolicyFolder(app, &options->folder);
    app->add_option("--structure", options->structure,
                    "read tables from a structure.sql, not from a database");
    app->add_option("--dictionary", options->dictionaries,
                    "folder with dictionaries of tables (ignored_columns, description); repeatable")
        ->allow_extra_args(false);
    app->add_flag("--suggest", options->suggest, "suggest labels by names, types and foreign keys");
    app->add_flag("--overwrite", options->overwrite, "where a label differs take that of the database");
    app->callback([server, options, code] { *code = RunPolicyExport(*server, *options); });
}

void AddPolicyCheck(CLI::App* parent, int* code)
{
    CLI::App* app = parent->add_subcommand("check", "find what is wrong with a policy; needs no database");
    auto options = std::make_shared<PolicyCheckOptions>();
    AddPolicyFolder(app, &options->folder)->required(false);
    app->add_flag("--list", options->list, "list the codes of all findings and end");
    app->add_option("--structure", options->structure, "structure.sql that it must fit");
    app->add_option("--dictionary", options->dictionaries,
                    "folder with dictionaries of tables (ignored_columns); repeatable")
        ->allow_extra_args(false);
    app->add_option("--since", options->since,
                    "revision of git: tell only what is new since then, and what newly flows");
    AddPolicyReports(app, &options->reports);
    app->callback([options, code] { *code = RunPolicyCheck(*options); });
}

void AddPolicyPlan(CLI::App* parent, int* code)
{
    CLI::App* app = parent->add_subcommand("plan", "show what apply would change; what newly flows first");
    auto options = std::make_shared<PolicyPlanOptions>();
    auto server = AddPolicyServer(app);
    AddPolicyFolder(app, &options->folder);
    app->add_flag("--json", options->json, "one JSON object, for apply");
    app->callback([server, options, code] { *code = RunPolicyPlan(*server, *options); });
}

void AddPolicyApply(CLI::App* parent, int* code)
{
    CLI::App* app = parent->add_subcommand("apply", "carry out a plan, a transaction for each table");
    auto options = std::make_shared<PolicyApplyOptions>();
    auto server = AddPolicyServer(app);
    app->add_option("--plan", options->plan, "what plan --json wrote")->required();
    app->add_option("--lock-timeout", options->lock_timeout, "how long to wait for the lock on a table")
        ->capture_default_str();
    app->add_option("--retries", options->retries, "how often to come back to locked tables")
        ->capture_default_str();
    app->callback([server, options, code] { *code = RunPolicyApply(*server, *options); });
}

void AddPolicyDiff(CLI::App* parent, int* code)
{
    CLI::App* app = parent->add_subcommand("diff", "find where policy and database have come apart");
    auto options = std::make_shared<PolicyDiffOptions>();
    auto live = std::make_shared<bool>(false);
    auto server = AddPolicyServer(app);
    AddPolicyFolder(app, &options->folder);
    app->add_flag("--live", *live, "compare with the database; changes nothing")->required();
    AddPolicyReports(app, &options->reports);
    app->callback([server, options, code] { *code = RunPolicyDiff(*server, *options); });
}

void AddPolicy(CLI::App* parent, int* code)
{
    CLI::App* app = parent->add_subcommand("policy", "labels of columns as code: a document for each table");
    app->require_subcommand(1);
    app->footer("Exit codes: 0 nothing to do or to tell, 1 could not be done, 2 findings, changes or drift");
    AddPolicyExport(app, code);
    AddPolicyCheck(app, code);
    AddPolicyPlan(app, code);
    AddPolicyApply(app, code);
    AddPolicyDiff(app, code);
}

// A command line that makes no sense. Of `policy` 2 would say that there is something to apply.
int UsageCode(const CLI::App& app)
{
    const auto parsed = app.get_subcommands();
    return !parsed.empty() && parsed.front()->get_name() == "policy" ? 1 : static_cast<int>(ExitCode::kUsage);
}

// Whether all that was printed has been written. A reader that has gone is no failure of ours.
bool OutputIsWhole()
{
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0)
        return true;
    struct pollfd output = {STDOUT_FILENO, POLLOUT, 0};
    return ::poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

int Main(int argc, char** argv)
{
    // protobuf's own complaints would quote the data it cannot parse.
    google::protobuf::SetLogHandler(nullptr);
    CLI::App app{"wal2lake ships the changes of a PostgreSQL database to a lake, exactly once."};
    app.set_version_flag("--version", "wal2lake " WAL2LAKE_VERSION);
    app.require_subcommand(1);
    app.footer(kExitCodes);
    CommonOptions options;
    ExitCode code = ExitCode::kOk;
    AddRun(&app, &options, &code);
    AddCat(&app, &code);
    AddVerify(&app, &options, &code);
    AddStatus(&app, &options, &code);
    AddSlot(&app, &options, &code);
    AddTrim(&app, &options, &code);
    // Of those that have exit codes of their own.
    int own_code = 0;
    AddDoctor(&app, &options, &own_code);
    AddPolicy(&app, &own_code);
    try {
        app.parse(argc, argv);
    } catch (const CLI::RequiredError& error) {
        // Otherwise a misspelt subcommand would only be called missing.
        const std::vector<std::string> unknown = app.remaining(true);
        if (unknown.empty())
            app.exit(error);
        else
            std::fprintf(stderr, "unknown subcommand \"%s\"; see wal2lake --help\n", unknown.front().c_str());
        return UsageCode(app);
    } catch (const CLI::ParseError& error) {
        // Help and version come this way too, as success.
        return app.exit(error) == 0 ? 0 : UsageCode(app);
    }
    const int answer = code == ExitCode::kOk ? own_code : static_cast<int>(code);
    // A report that was lost must not look like a good one, nor a plan that was cut off like a plan.
    if (OutputIsWhole())
        return answer;
    const int lost = static_cast<int>(Complain({ErrorKind::kRetryable, "cannot write to standard output"}));
    return app.got_subcommand("policy") ? 1 : answer == 0 ? lost : answer;
}

} // namespace
} // namespace wal2lake

int main(int argc, char** argv)
{
    wal2lake::ForbidCoreDumps();
    try {
        return wal2lake::Main(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "wal2lake: internal error: %s\n", error.what());
        return static_cast<int>(wal2lake::ExitCode::kInternal);
    }
}
