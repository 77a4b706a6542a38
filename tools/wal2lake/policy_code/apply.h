// Carries out a plan: one transaction for each table, so that no lock is held for long and what was
// done stays done. Ran again it goes on where it stopped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policy_code/plan.h"

namespace wal2lake
{

struct ApplyOptions {
    // How long to wait for the lock on a table.
    int64_t lock_timeout_ms = 2'000;
    // How often to come back to tables whose lock was not to be had.
    uint64_t retries = 10;
};

struct ApplyOutcome {
    // Tables that are now as planned: by this run, and before it.
    size_t done = 0;
    size_t done_before = 0;
    // Of tables whose declarations stand now.
    size_t declared = 0;
    // Names of tables: changed since the plan was made, or what is declared for them, so that nothing was done to
    // any, or nothing to those where it was seen at their turn; or locked by others to the last.
    std::vector<std::string> moved;
    std::vector<std::string> locked;
    // Statements that the role may not run, for the admin.
    std::vector<std::string> refused;
    // What else went wrong, as sentences.
    std::vector<std::string> failed;

    bool complete() const { return moved.empty() && locked.empty() && refused.empty() && failed.empty(); }
};

// `source` is connected. kInvalid where the plan was made for another database; where tables have changed
// since, nothing is done to any, and they are in the outcome's `moved`.
Result<ApplyOutcome> ApplyPlan(const Plan& plan, const ApplyOptions& options, PostgresSource* source);

} // namespace wal2lake
