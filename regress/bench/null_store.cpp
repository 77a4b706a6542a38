// The store of `wal2lake_null`, a build of the command for `make bench` only: it
// reads the folder, where the log must have been begun, and throws away what is
// put but for its name, since a segment asks for the one before it. So the forwarder is measured without a store's cost. It acknowledges what
// nobody has: never part of `all`, never installed.
#include "store/store.h"

// The file that this one replaces in the link, with its OpenStore under another name.
#define OpenStore OpenRealStore
#include "store/store.cpp" // NOLINT(bugprone-suspicious-include): see above
#undef OpenStore

#include <cstdio>
#include <set>

namespace wal2lake
{
namespace
{

class NullStore : public Store
{
  public:
    explicit NullStore(std::unique_ptr<Store> folder) : folder_(std::move(folder)) {}

    Result<Done> PutIfAbsent(const std::string& name, std::string_view) override
    {
        put_.insert(name);
        return Done{};
    }
    Result<Done> Overwrite(const std::string&, std::string_view) override { return Done{}; }
    Result<std::string> Get(const std::string& name, uint64_t offset, size_t length) override
    {
        if (put_.contains(name))
            return std::string(length, '\0');
        return folder_->Get(name, offset, length);
    }
    Result<ObjectFacts> Head(const std::string& name) override { return folder_->Head(name); }
    Result<ListPage> List(const std::string& prefix, const std::string& after, size_t limit) override
    {
        return folder_->List(prefix, after, limit);
    }
    Result<Done> Delete(const std::string&) override { return Done{}; }

  private:
    std::unique_ptr<Store> folder_;
    std::set<std::string> put_;
};

} // namespace

Result<std::unique_ptr<Store>> OpenStore(const std::string& url, const StoreOptions& options,
                                         const StoreWarning& warn)
{
    std::fputs("wal2lake_null: what is forwarded is thrown away\n", stderr);
    auto folder = OpenRealStore(url, options, warn);
    if (!folder.ok())
        return folder;
    return std::unique_ptr<Store>(std::make_unique<NullStore>(std::move(folder.value())));
}

} // namespace wal2lake
