// Where objects live. The driver calls it from its store thread, the other
// commands directly; nobody else does. A store knows names and bytes, nothing of
// segments, sources or LSNs.
//
// Names are relative paths with '/' between parts; a part is made of letters,
// digits, '.', '_' and '-', is not empty and does not begin with '.'. Objects
// become visible whole or not at all.
//
// Every call tries once and says how that went; the caller decides whether and
// when to try again. Errors are kNotFound, kExists (PutIfAbsent only), kRetryable
// or kPermanent, with a text that names the object and, where somebody has to do
// something, what.
//
// A Store is used by one thread at a time; several of the same lake, in this
// process or others, may be used at once.
//
// Adding a store: implement the methods, add a line to the table in store.cpp, and
// run regress/unit/store/conformance.h on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "result.h"
#include "store/store_options.h"

namespace wal2lake
{

struct ListPage {
    // Full names, in byte order.
    std::vector<std::string> names;
    // True where more may follow the last of them.
    bool more = false;
};

struct ObjectFacts {
    uint64_t size = 0;
    // Unix time in microseconds by the store's clock, as coarse as that may be.
    // For people to see; nothing is decided by it.
    std::optional<int64_t> written_us;
};

// A rule by which the store itself, of old objects, makes some unreadable.
struct LifecycleRule {
    enum class Deed {
        kRemoves,
        // To where they must be restored from before they can be read.
        kArchives,
    };

    // As people find it: its id in quotes, or which of the rules it is.
    std::string name;
    // It may meet what has a name that begins with this; all names where it is empty.
    std::string prefix;
    Deed deed = Deed::kRemoves;
    // Of those, not all: it asks for what no name's beginning tells, such as a tag.
    bool some = false;

    // Whether there may be a name that begins with `below` and that it meets.
    bool MayMeet(std::string_view below) const
    {
        return prefix.starts_with(below) || below.starts_with(prefix);
    }

    bool operator==(const LifecycleRule&) const = default;
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

    virtual Result<ObjectFacts> Head(const std::string& name) = 0;

    // Up to `limit` names that begin with `prefix` and are greater than `after`.
    // What is no object's name by the rules above is passed over.
    virtual Result<ListPage> List(const std::string& prefix, const std::string& after, size_t limit) = 0;

    // Removes the object; no error where there is none.
    virtual Result<Done> Delete(const std::string& name) = 0;

    // The rules in force that may meet objects of this lake; for the doctor to see,
    // nothing is decided by it. Most stores have no such thing. An error where it is
    // not known, which is no sign of a store that cannot be used.
    virtual Result<std::vector<LifecycleRule>> LifecycleRules() { return std::vector<LifecycleRule>{}; }
};

// Is told, in the thread that uses the store, what went well and still wants
// somebody's attention.
using StoreWarning = std::function<void(const std::string&)>;

// Opens the lake that `url` names: file:///absolute/path, s3://bucket/prefix,
// gs://bucket/prefix or az://container/prefix. Asks nobody anything yet. kInvalid where url and options make no sense, or this
// version has no store for them.
Result<std::unique_ptr<Store>> OpenStore(const std::string& url, const StoreOptions& options = {},
                                         const StoreWarning& warn = {});

// Reads an object whole.
Result<std::string> GetAll(Store& store, const std::string& name);

// True where `name` obeys the rules above.
bool IsObjectName(std::string_view name);

// What a driver answers to another one.
Error BadObjectName(const std::string& name);

} // namespace wal2lake
