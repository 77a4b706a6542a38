#include "store/store.h"

#include <algorithm>

#include "store/file_store.h"

namespace wal2lake
{

Result<int64_t> Store::WrittenUs(const std::string& name)
{
    return Error{ErrorKind::kPermanent, "the store does not tell when " + name + " was written"};
}

Result<std::string> GetAll(Store& store, const std::string& name)
{
    constexpr size_t kPiece = size_t{8} << 20;
    std::string all;
    for (;;) {
        auto piece = store.Get(name, all.size(), kPiece);
        if (!piece.ok())
            return piece.error();
        all += piece.value();
        if (piece.value().size() < kPiece)
            return all;
    }
}

Result<std::unique_ptr<Store>> OpenStore(const std::string& url)
{
    constexpr std::string_view kFile = "file://";
    if (url.starts_with(kFile) && url.size() > kFile.size() + 1 && url[kFile.size()] == '/')
        return std::unique_ptr<Store>(std::make_unique<FileStore>(url.substr(kFile.size())));
    if (url.starts_with(kFile))
        return Error{ErrorKind::kInvalid,
                     "lake url \"" + url + "\" has no absolute path; write file:///path/of/the/lake"};
    return Error{ErrorKind::kInvalid,
                 "lake url \"" + url + "\" is not served by this version; write file:///path/of/the/lake"};
}

bool IsObjectName(std::string_view name)
{
    bool at_start = true;
    for (const char c : name) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (at_start && !letter && c != '_')
            return false;
        if (!letter && c != '_' && c != '-' && c != '.' && c != '/')
            return false;
        at_start = c == '/';
    }
    return !name.empty() && !at_start;
}

} // namespace wal2lake
