// The suite over the stores that need no server.
#include "conformance.h"
#include "../folder.h"
#include "store/file_store.h"
#include "store/memory_store.h"

namespace wal2lake
{
namespace
{

class MemoryPlace : public StorePlace
{
  public:
    std::unique_ptr<Store> Open() override { return std::make_unique<MemoryStore>(lake_); }

  private:
    MemoryStore lake_;
};

class FilePlace : public StorePlace
{
  public:
    std::unique_ptr<Store> Open() override
    {
        return std::make_unique<FileStore>(folder_.path() + "/deep/lake");
    }

  private:
    Folder folder_;
};

INSTANTIATE_TEST_SUITE_P(, StoreConformance,
                         testing::Values(StoreKind{"Memory", [] { return std::make_unique<MemoryPlace>(); }},
                                         StoreKind{"File", [] { return std::make_unique<FilePlace>(); }}),
                         NameOfKind);

} // namespace
} // namespace wal2lake
