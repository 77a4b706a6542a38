#include "store/memory_store.h"

#include <algorithm>

namespace wal2lake
{

Result<Done> MemoryStore::PutIfAbsent(const std::string& name, std::string_view bytes)
{
    if (!IsObjectName(name))
        return BadObjectName(name);
    const std::lock_guard lock(lake_->mutex);
    if (!lake_->objects.try_emplace(name, bytes).second)
        return Error{ErrorKind::kExists, name + " exists"};
    return Done{};
}

Result<Done> MemoryStore::Overwrite(const std::string& name, std::string_view bytes)
{
    if (!IsObjectName(name))
        return BadObjectName(name);
    const std::lock_guard lock(lake_->mutex);
    lake_->objects[name] = bytes;
    return Done{};
}

Result<std::string> MemoryStore::Get(const std::string& name, uint64_t offset, size_t length)
{
    const std::lock_guard lock(lake_->mutex);
    const auto found = lake_->objects.find(name);
    if (found == lake_->objects.end())
        return Error{ErrorKind::kNotFound, name + " does not exist"};
    if (offset >= found->second.size())
        return std::string{};
    return found->second.substr(offset, length);
}

Result<ObjectFacts> MemoryStore::Head(const std::string& name)
{
    const std::lock_guard lock(lake_->mutex);
    const auto found = lake_->objects.find(name);
    if (found == lake_->objects.end())
        return Error{ErrorKind::kNotFound, name + " does not exist"};
    return ObjectFacts{found->second.size(), std::nullopt};
}

Result<ListPage> MemoryStore::List(const std::string& prefix, const std::string& after, size_t limit)
{
    ListPage page;
    const std::lock_guard lock(lake_->mutex);
    for (auto it = lake_->objects.upper_bound(std::max(prefix, after));; ++it) {
        if (it == lake_->objects.end() || !it->first.starts_with(prefix))
            return page;
        if (page.names.size() == limit) {
            page.more = true;
            return page;
        }
        page.names.push_back(it->first);
    }
}

Result<Done> MemoryStore::Delete(const std::string& name)
{
    const std::lock_guard lock(lake_->mutex);
    lake_->objects.erase(name);
    return Done{};
}

} // namespace wal2lake
