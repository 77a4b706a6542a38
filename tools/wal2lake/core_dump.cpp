#include "core_dump.h"

#include <sys/prctl.h>
#include <sys/resource.h>

namespace wal2lake
{

void ForbidCoreDumps()
{
    // Neither can fail: a limit is only lowered, and 0 is a value that prctl knows.
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

} // namespace wal2lake
