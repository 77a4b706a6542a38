// A lake in a bucket of S3, of a server that speaks it, or of Google Cloud Storage,
// whose XML API is S3 in another dialect (s3_dialect.h).
//
// An object is one PUT, with its SHA-256 in the signature: what arrives is what was
// sent, or is refused. Create-if-absent is a header (`If-None-Match: *`). Content-MD5 goes along
// always: buckets with object lock demand it, and whether a bucket has one shows at
// the first refused segment only; it costs 0.1 s for 64 MiB. No multipart upload, no
// aws-chunked, no checksum headers: each has servers that do it differently.
//
// Every request is signed as it is sent, so a caller that tries again signs anew.
// Two refusals are settled here, once for each call, since a caller could do nothing
// else: a clock that is off (the store's Date is believed from then on) and
// credentials that are not taken any more (others are asked for).
#pragma once

#include "store/credentials.h"
#include "store/http.h"
#include "store/s3_address.h"
#include "store/s3_reply.h"
#include "store/store.h"
#include "store/store_clock.h"

namespace wal2lake
{

struct S3Settings {
    S3Address address;
    HttpOptions http;
    // As in StoreOptions.
    std::string encryption;
    std::string kms_key_id;
};

class S3Store : public Store
{
  public:
    S3Store(S3Settings settings, std::shared_ptr<CredentialsCache> credentials, StoreWarning warn);

    Result<Done> PutIfAbsent(const std::string& name, std::string_view bytes) override;
    Result<Done> Overwrite(const std::string& name, std::string_view bytes) override;
    Result<std::string> Get(const std::string& name, uint64_t offset, size_t length) override;
    Result<ObjectFacts> Head(const std::string& name) override;
    Result<ListPage> List(const std::string& prefix, const std::string& after, size_t limit) override;
    Result<Done> Delete(const std::string& name) override;
    Result<std::vector<LifecycleRule>> LifecycleRules() override;

  private:
    const S3Dialect& Dialect() const { return *settings_.address.dialect; }
    S3Call Call(const char* doing, const std::string& name, const char* permission) const;
    HttpRequest Request(const char* method, const std::string& name) const;
    Result<HttpResponse> Ask(const S3Call& call, HttpRequest request);
    Result<Done> Put(const S3Call& call, HttpRequest request, std::string_view bytes);
    Result<S3Listing> ListOnce(const S3Call& call, const std::string& prefix, const std::string& after,
                               const std::string& token, size_t limit);

    S3Settings settings_;
    HttpClient http_;
    std::shared_ptr<CredentialsCache> credentials_;
    StoreClock clock_;
};

// For the table in store.cpp: s3://bucket/prefix and gs://bucket/prefix. Stores that ask for the same
// credentials share them, and the thread that keeps them fresh.
Result<std::unique_ptr<Store>> OpenS3Store(const std::string& url, const StoreOptions& given,
                                           const StoreWarning& warn);
// With HMAC keys, which are a file's or the environment's: Amazon's other ways to come
// by credentials lead to none of Google's.
Result<std::unique_ptr<Store>> OpenGcsStore(const std::string& url, const StoreOptions& given,
                                            const StoreWarning& warn);

} // namespace wal2lake
