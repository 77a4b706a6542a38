// `wal2lake policy export | check | plan | apply | diff`: what the options ask for, put together from the
// other files of this room. Exit codes of their own (docs/policy.md): 0 nothing to say, 1 could not be done,
// 2 findings, changes or drift.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "settings.h"

namespace wal2lake
{

// Where the database is and who asks.
struct PolicyServer {
    CommonOptions common;
    // Laid over the conninfo, as doctor's; else WAL2LAKE_ADMIN_CONNINFO.
    std::string admin_conninfo;
};

struct PolicyExportOptions {
    std::string folder;
    // A structure.sql instead of a database.
    std::string structure;
    std::vector<std::string> dictionaries;
    bool suggest = false;
    // Where document and database differ the database is right.
    bool overwrite = false;
};

// Where findings go besides standard output; empty: nowhere.
struct PolicyReports {
    std::string junit;
    std::string code_quality;
};

struct PolicyCheckOptions {
    std::string folder;
    // Tell the codes of all findings, and nothing else.
    bool list = false;
    std::string structure;
    std::vector<std::string> dictionaries;
    // A revision of git: what was wrong there already is not told, and what flows since then is.
    std::string since;
    PolicyReports reports;
};

struct PolicyPlanOptions {
    std::string folder;
    bool json = false;
};

struct PolicyApplyOptions {
    std::string plan;
    std::string lock_timeout = "2s";
    uint64_t retries = 10;
};

struct PolicyDiffOptions {
    std::string folder;
    PolicyReports reports;
};

int RunPolicyExport(const PolicyServer& server, const PolicyExportOptions& options);
int RunPolicyCheck(const PolicyCheckOptions& options);
int RunPolicyPlan(const PolicyServer& server, const PolicyPlanOptions& options);
int RunPolicyApply(const PolicyServer& server, const PolicyApplyOptions& options);
int RunPolicyDiff(const PolicyServer& server, const PolicyDiffOptions& options);

} // namespace wal2lake
