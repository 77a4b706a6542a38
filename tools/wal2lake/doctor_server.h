// Looks at a server for `wal2lake doctor`. Reads only: catalogs, settings, and a
// start of decoding on the slot that ends before its first row and leaves the
// slot where it is. Judges nothing.
#pragma once

#include "doctor_facts.h"

namespace wal2lake
{

ServerFacts LookAtServer(const DoctorNames& names, const PluginOptions& options);

// Only where the server's WAL ends, once more.
void LookAtWalEndAgain(const DoctorNames& names, ServerFacts* facts);

} // namespace wal2lake
