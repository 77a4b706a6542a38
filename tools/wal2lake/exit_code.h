// What the command answers the shell. An API: the numbers never change meaning
// (docs/commands.md).
#pragma once

namespace wal2lake
{

enum class ExitCode : int {
    kOk = 0,
    // A defect of the command itself.
    kInternal = 1,
    // Usage or configuration.
    kUsage = 2,
    // The lake: damaged, of another source, diverged, with a gap.
    kLake = 3,
    // The source: slot missing or of another plugin, refused by the server.
    kSource = 4,
    // The store cannot be read or written.
    kStore = 5,
    // `status` only: the lake is older than slo.freshness allows.
    kLate = 6,
};

} // namespace wal2lake
