// A lake in a folder of a POSIX file system.
//
// An object is written under a temporary name beside its place, synced, and
// linked to its name; link() fails where the name is taken, which is what makes
// create-if-absent atomic (rename() would replace silently). The directory is
// synced before the answer, also where the name was taken, and when its names are
// listed: an object that is seen is an object that stays. Temporary names begin with '.', which no object
// does, so what a crash leaves behind never looks like one; it is removed after an
// hour by whoever writes into that directory next after a start. A writer that
// is still alive and so slow finds its temporary file gone, and tries again.
#pragma once

#include <set>

#include "store/store.h"

namespace wal2lake
{

class FileStore : public Store
{
  public:
    // `root` is absolute; it and what is below is created when first needed.
    explicit FileStore(std::string root);

    Result<Done> PutIfAbsent(const std::string& name, std::string_view bytes) override;
    Result<Done> Overwrite(const std::string& name, std::string_view bytes) override;
    Result<std::string> Get(const std::string& name, uint64_t offset, size_t length) override;
    Result<ObjectFacts> Head(const std::string& name) override;
    Result<ListPage> List(const std::string& prefix, const std::string& after, size_t limit) override;
    Result<Done> Delete(const std::string& name) override;

  private:
    std::string PathOf(const std::string& name) const { return root_ + "/" + name; }
    Result<Done> MakeDirectories(const std::string& path) const;
    Result<std::string> WriteTemporary(const std::string& path, std::string_view bytes);

    std::string root_;
    // Directories that were cleared of what killed writers left.
    std::set<std::string> cleared_;
};

// For the table in store.cpp: file:///absolute/path.
Result<std::unique_ptr<Store>> OpenFileStore(const std::string& url, const StoreOptions& options,
                                             const StoreWarning& warn);

} // namespace wal2lake
