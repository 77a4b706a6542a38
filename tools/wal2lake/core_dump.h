// Keeps what the process holds in memory, values and credentials, out of files.
#pragma once

namespace wal2lake
{

// First of all in main(): no core dump of this process, neither as a file nor
// through a program of the kernel's core_pattern, which a limit of 0 does not stop.
// Other processes of the same user cannot look into its memory and environment
// either; root still can.
void ForbidCoreDumps();

} // namespace wal2lake
