// `wal2lake run`: forwards the sources of the settings, each with a driver on a
// thread of its own, until a signal, or until the only one ends.
#pragma once

#include "exit_code.h"
#include "log.h"
#include "settings.h"

namespace wal2lake
{

ExitCode RunForwarder(const Settings& settings, const Log& log, bool create_slot);

} // namespace wal2lake
