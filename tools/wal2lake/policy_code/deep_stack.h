// A stack as deep as what is read may be nested, where others' code recurses without looking.
#pragma once

#include <cstddef>
#include <functional>

namespace wal2lake
{

// Calls `work` on a stack of at least `bytes`, and waits for it. Pages that are not reached cost
// nothing. False, and nothing was called, where the system gives no such stack or no thread.
bool CallOnStack(size_t bytes, const std::function<void()>& work);

} // namespace wal2lake
