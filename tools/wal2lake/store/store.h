// Where objects live. The driver calls it from its store thread, the other
// commands directly; nobody else does. A store knows names and bytes, nothing of
// segments, sources or LSNs.
//
// Names are relative paths with '/' between parts; a part is made of letters,
// digits, '.', '_' and '-', is not empty and does not begin with '.'. Objects
// become visible whole or not at all. Errors are kNotFound, kExists (PutIfAbsent
// only), kRetryable or kPermanent, with a text that names the object.
//
// Adding a store: implement the five methods, add it to the conformance suite
// in regress/unit/store_test.cpp and to OpenStore.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "result.h"

namespace wal2lake
{

struct ListPage {
    // Full names, in byte order.
    std::vector<std::string> names;
    // True where more may follow the last of them.
    bool more = false;
};

class Store
{
  public:
    virtual ~Store() = default;

    // Creates the object and answers when it is durable. kExists, and no effect,
    // where the name is taken. After kRetryable it may exist or not.
    virtual Result<Done> PutIfAbsent(const std::string& name, std::string_view bytes) = 0;

    // Creates or replaces the object. For hints only: readers may see old or new
    // bytes, and nothing may depend on which.
    virtual Result<Done> Overwrite(const std::string& name, std::string_view bytes) = 0;

    // Up to `length` bytes from `offset`; fewer only at the end of the object.
    virtual Result<std::string> Get(const std::string& name, uint64_t offset, size_t length) = 0;

    // Up to `limit` names that begin with `prefix` and are greater than `after`.
    virtual Result<ListPage> List(const std::string& prefix, const std::string& after, size_t limit) = 0;

    // Removes the object; no error where there is none.
    virtual Result<Done> Delete(const std::string& name) = 0;

    // When the object was written, Unix time in microseconds by the store's clock.
    // For people to see, nothing is decided by it; a store need not know.
    virtual Result<int64_t> WrittenUs(const std::string& name);
};

// Reads an object whole.
Result<std::string> GetAll(Store& store, const std::string& name);

// Opens the lake that `url` names (file:///absolute/path). kInvalid where this
// version has no store for it.
Result<std::unique_ptr<Store>> OpenStore(const std::string& url);

// True where `name` obeys the rules above.
bool IsObjectName(std::string_view name);

} // namespace wal2lake
