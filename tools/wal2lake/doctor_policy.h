// Has doctor relay wal2lake.check(), which reviews the policy of a database for its
// admin alone. The forwarder's role must be no admin, so that somebody else may be
// named to ask. Reads only.
#pragma once

#include <optional>
#include <string>

#include "doctor_text.h"

namespace wal2lake
{

// Asks over a connection of its own, once `server` was looked at and its session is
// closed: as the source's role, or as `admin_conninfo` says where it is not empty.
// Absent where there is nothing to ask.
std::optional<PolicyFacts> LookAtPolicy(const DoctorNames& names, const std::string& admin_conninfo,
                                        const ServerFacts& server);

void JudgePolicy(const SourceReport& report, FindingList* findings);

// `conninfo`, with what `over` names in place of its own; a password does not go to
// another user. Absent where libpq cannot read one of them.
std::optional<std::string> LaidOver(const std::string& conninfo, const std::string& over);

// What --admin-conninfo says, else WAL2LAKE_ADMIN_CONNINFO; empty where neither does.
std::string AdminConninfo(const std::string& option);

// Why --admin-conninfo is refused: it holds a password.
inline constexpr const char* kAdminPasswordRefused = "--admin-conninfo holds a password, which every user of "
                                                     "this host can read; use a passfile (PGPASSFILE), a"
                                                     " service file or WAL2LAKE_ADMIN_CONNINFO";

} // namespace wal2lake
