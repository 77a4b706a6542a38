// `wal2lake doctor`: looks at everything a run needs, of each source and of the
// lake, and prints what is wrong with the fix to paste (docs/doctor.md).
#pragma once

#include <string>
#include <vector>

#include "doctor_findings.h"
#include "settings.h"

namespace wal2lake
{

struct DoctorOptions {
    bool json = false;
    // Prints the codes instead.
    bool list = false;
    // Who may call wal2lake.check(), laid over the conninfo of each source; else
    // WAL2LAKE_ADMIN_CONNINFO, else the source's own role is tried.
    std::string admin_conninfo;
};

// 0 nothing above info, 1 warnings, 2 errors. The command's own, not ExitCode.
int RunDoctor(const CommonOptions& common, const DoctorOptions& options);

int DoctorExitCode(const std::vector<Finding>& findings);
std::string FormatFindings(const std::vector<Finding>& findings, bool color);
std::string FormatFindingsJson(const std::vector<Finding>& findings);

} // namespace wal2lake
