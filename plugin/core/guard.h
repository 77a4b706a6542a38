/*
 * The one place that catches.
 *
 * Every entry point of core that runs C++ which may throw wraps its body in
 * Guarded(): an exception must not meet the server's frames, where it would end
 * the whole cluster.
 */
#ifndef WAL2LAKE_CORE_GUARD_H
#define WAL2LAKE_CORE_GUARD_H

#include "core/status.h"

#include <new>

namespace wal2lake
{

/* Runs `body`, a callable that returns w2l_status, and turns whatever it throws into a status. */
template <typename Body>
w2l_status Guarded(Body&& body) noexcept
{
    try {
        return body();
    } catch (const std::bad_alloc&) {
        return W2L_NO_MEMORY;
    } catch (...) {
        return W2L_INTERNAL;
    }
}

} // namespace wal2lake

#endif
