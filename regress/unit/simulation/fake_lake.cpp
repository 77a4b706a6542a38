#include "fake_lake.h"

#include <algorithm>

namespace wal2lake::simulation
{

void FakeLake::Overwrite(const std::string& name, const std::string& bytes)
{
    objects_[name] = std::make_shared<const std::string>(bytes);
}

std::optional<std::string> FakeLake::ReadHint(const std::string& name) const
{
    const auto found = objects_.find(name);
    return found == objects_.end() ? std::nullopt : std::optional(*found->second);
}

Result<Bytes> FakeLake::Read(const std::string& name) const
{
    const auto found = objects_.find(name);
    if (found == objects_.end())
        return Error{ErrorKind::kNotFound, name + " does not exist"};
    return found->second;
}

ListPage FakeLake::List(const std::string& prefix, const std::string& after, size_t limit) const
{
    ListPage page;
    for (auto it = objects_.upper_bound(std::max(prefix, after));
         it != objects_.end() && it->first.starts_with(prefix); ++it) {
        page.more = page.names.size() == limit;
        if (page.more)
            break;
        page.names.push_back(it->first);
    }
    return page;
}

} // namespace wal2lake::simulation
