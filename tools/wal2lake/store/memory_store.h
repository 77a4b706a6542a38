// A store in memory, for tests.
#pragma once

#include <map>
#include <mutex>

#include "store/store.h"

namespace wal2lake
{

// A copy is another store of the same lake.
class MemoryStore : public Store
{
  public:
    Result<Done> PutIfAbsent(const std::string& name, std::string_view bytes) override;
    Result<Done> Overwrite(const std::string& name, std::string_view bytes) override;
    Result<std::string> Get(const std::string& name, uint64_t offset, size_t length) override;
    Result<ObjectFacts> Head(const std::string& name) override;
    Result<ListPage> List(const std::string& prefix, const std::string& after, size_t limit) override;
    Result<Done> Delete(const std::string& name) override;

    // While no other thread uses the lake.
    std::map<std::string, std::string>& objects() { return lake_->objects; }

  private:
    struct Lake {
        std::mutex mutex;
        std::map<std::string, std::string> objects;
    };

    std::shared_ptr<Lake> lake_ = std::make_shared<Lake>();
};

} // namespace wal2lake
