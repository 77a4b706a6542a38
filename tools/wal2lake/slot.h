// `wal2lake slot create | drop | list`, and the same creation for
// `run --create-slot`. A slot and its log begin together, so that what the slot
// sends first is what the log holds first.
#pragma once

#include "exit_code.h"
#include "fence.h"
#include "log.h"
#include "machine.h"
#include "result.h"
#include "settings.h"
#include "source_pull.h"
#include "store/store.h"

namespace wal2lake
{

MachineConfig MakeMachineConfig(const Config& config, const SourceConfig& source);

// Creates the slot where it is missing and the log's first object. Does nothing
// to a log that exists: `*began` tells, and `*note` says what was done. Connects
// `server`, which is not connected yet.
std::optional<Refusal> BeginLog(const MachineConfig& config, const std::string& conninfo,
                                PostgresSource* server, Store& store, bool* began, std::string* note);

ExitCode RunSlotCreate(const Settings& settings);
ExitCode RunSlotDrop(const Settings& settings, bool confirmed);
ExitCode RunSlotList(const Settings& settings);

} // namespace wal2lake
