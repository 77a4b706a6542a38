#include "store/store.h"

#include "store/azure_store.h"
#include "store/file_store.h"
#include "store/s3_store.h"

namespace wal2lake
{

namespace
{

using Open = Result<std::unique_ptr<Store>> (*)(const std::string& url, const StoreOptions& options,
                                                const StoreWarning& warn);

struct Kind {
    std::string_view beginning;
    Open open;
};

// Every kind of store there is.
constexpr Kind kKinds[] = {
    {"file://", OpenFileStore},
    {"s3://", OpenS3Store},
    {"gs://", OpenGcsStore},
    {"az://", OpenAzureStore},
};

} // namespace

Result<std::unique_ptr<Store>> OpenStore(const std::string& url, const StoreOptions& options,
                                         const StoreWarning& warn)
{
    for (const Kind& kind : kKinds)
        if (url.starts_with(kind.beginning))
            return kind.open(url, options, warn);
    return Error{ErrorKind::kInvalid,
                 "lake url \"" + url +
                     "\" is not served by this version; write file:///path/of/the/lake, s3://bucket/prefix,"
                     " gs://bucket/prefix or az://container/prefix"};
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

Error BadObjectName(const std::string& name)
{
    return {ErrorKind::kPermanent, "\"" + name + "\" is not a valid object name"};
}

} // namespace wal2lake
