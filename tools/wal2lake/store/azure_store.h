// A lake in a container of Azure's Blob storage.
//
// An object is a block blob, written by one Put Blob with its MD5, which Azure checks and
// Shared Key covers. Create-if-absent is `If-None-Match: *`. No blocks, no leases, no
// client library: what a lake needs of the protocol is six requests.
//
// Every request is signed as it is sent, or carries the shared access signature at the
// end of its query, which is in no sentence and no log. Two refusals are settled here,
// once for each call: a clock that is off (the store's Date is believed from then on)
// and a key or signature that is not taken any more (it is read anew).
//
// List Blobs starts after a name by startFrom, which is new: a store that does not know
// it lists from the first name of the prefix, whose names are passed over then. That is
// right at any version, and costs a request for each 5,000 names before.
#pragma once

#include "store/azure_address.h"
#include "store/azure_reply.h"
#include "store/credentials.h"
#include "store/http.h"
#include "store/store.h"
#include "store/store_clock.h"

namespace wal2lake
{

struct AzureSettings {
    AzureAddress address;
    HttpOptions http;
};

class AzureStore : public Store
{
  public:
    // Credentials as AzureCredentials gives them.
    AzureStore(AzureSettings settings, std::shared_ptr<CredentialsCache> credentials, StoreWarning warn);

    Result<Done> PutIfAbsent(const std::string& name, std::string_view bytes) override;
    Result<Done> Overwrite(const std::string& name, std::string_view bytes) override;
    Result<std::string> Get(const std::string& name, uint64_t offset, size_t length) override;
    Result<ObjectFacts> Head(const std::string& name) override;
    Result<ListPage> List(const std::string& prefix, const std::string& after, size_t limit) override;
    Result<Done> Delete(const std::string& name) override;
    // They belong to the account, whose management none of our credentials reach.
    Result<std::vector<LifecycleRule>> LifecycleRules() override;

  private:
    AzureCall Call(const char* doing, const std::string& name, const char* permission) const;
    HttpRequest Request(const char* method, const std::string& name) const;
    Result<HttpResponse> Ask(const AzureCall& call, const HttpRequest& request);
    Result<Done> Put(const AzureCall& call, HttpRequest request, std::string_view bytes);
    Result<AzureListing> ListOnce(const AzureCall& call, const std::string& prefix, const std::string& after,
                                  const std::string& marker, size_t most);
    // Of one answer: what goes into the page. `last` is the name before it.
    Result<Done> Take(const AzureCall& call, const AzureListing& listing, const std::string& prefix,
                      const std::string& after, size_t limit, std::string* last, ListPage* page) const;

    AzureSettings settings_;
    HttpClient http_;
    std::shared_ptr<CredentialsCache> credentials_;
    StoreClock clock_;
    // Whether the store knows the version of List Blobs that has startFrom.
    bool lists_from_ = true;
};

// For the table in store.cpp: az://container/prefix.
Result<std::unique_ptr<Store>> OpenAzureStore(const std::string& url, const StoreOptions& options,
                                              const StoreWarning& warn);

} // namespace wal2lake
