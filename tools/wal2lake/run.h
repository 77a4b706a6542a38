// `wal2lake run`: carries out what the state machine asks for, with a real
// server, a real store and a real clock. Decides nothing itself.
#pragma once

#include "exit_code.h"
#include "log.h"
#include "settings.h"

namespace wal2lake
{

ExitCode RunForwarder(const Settings& settings, const Log& log, bool create_slot);

} // namespace wal2lake
