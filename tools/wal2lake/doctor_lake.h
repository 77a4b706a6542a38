// Looks for `wal2lake doctor` at what is on the side of this host. Of a lake: the end of one source's log, and whether
// the store takes objects and keeps create-if-absent. For the latter it writes
// <source>/probe/<name>, which is no part of a log, and removes it again.
#pragma once

#include "config.h"
#include "doctor_facts.h"

namespace wal2lake
{

LakeFacts LookAtLake(const Config& config, const DoctorNames& names);

// Keeps a byte there and forgets it. Absent where nothing is to be kept.
std::optional<StageFacts> LookAtStage(const StageConfig& config);

} // namespace wal2lake
