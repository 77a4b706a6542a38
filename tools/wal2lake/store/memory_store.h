// A store in memory, for tests. One thread.
#pragma once

#include <map>

#include "store/store.h"

namespace wal2lake
{

class MemoryStore : public Store
{
  public:
    Result<Done> PutIfAbsent(const std::string& name, std::string_view bytes) override;
    Result<Done> Overwrite(const std::string& name, std::string_view bytes) override;
    Result<std::string> Get(const std::string& name, uint64_t offset, size_t length) override;
    Result<ListPage> List(const std::string& prefix, const std::string& after, size_t limit) override;
    Result<Done> Delete(const std::string& name) override;

    std::map<std::string, std::string>& objects() { return objects_; }

  private:
    std::map<std::string, std::string> objects_;
};

} // namespace wal2lake
