// The part of doctor's judgement that is about server, role, slot and labels.
// Called by doctor_findings.cpp. No I/O.
#pragma once

#include "doctor_text.h"

namespace wal2lake
{

void JudgeServer(const SourceReport& report, FindingList* findings);

} // namespace wal2lake
