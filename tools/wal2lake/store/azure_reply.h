// What the answers of Azure's Blob storage mean: which kind of error an answer is and
// what to tell people of it, and the names in a listing. No I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "result.h"
#include "store/http.h"

namespace wal2lake
{

// One call of the driver, for the sentences about it.
struct AzureCall {
    // "create", "read", ...
    const char* doing;
    // az://container/prefix/name
    std::string object;
    // What its user must be allowed, as a signature's sp has it.
    const char* permission;
    // It must not replace anything: some refusals then say that the name is taken.
    bool creates = false;
};

// What stands in an answer that refuses; each part may be empty, and none holds more
// than a short line of harmless characters.
struct AzureRefusal {
    std::string code;
    std::string message;
};

AzureRefusal ReadAzureRefusal(const HttpResponse& response);

// The store does not believe who asks: by a wrong key, an old signature, or a date too
// far from its own, which it does not tell apart.
bool DoubtsIdentity(const AzureRefusal& refusal);
// It does not know the version of the protocol that was asked for.
bool RefusesVersion(const HttpResponse& response, const AzureRefusal& refusal);

// Of an answer that is not what `call` hoped for. kNotFound: this blob is not there.
// kExists: `call` creates, and the name is taken. The text names the object, the status,
// Azure's code and what to do.
Error ToError(const AzureCall& call, const HttpResponse& response);

// An answer that may be Azure's or anybody's: what is missing in it is said by `why`.
Error NoAnswerOfAzure(const AzureCall& call, const HttpResponse& response, const std::string& why);

struct AzureListing {
    // Whole names of blobs.
    std::vector<std::string> names;
    // Where it goes on; empty at the end.
    std::string marker;
};

// Absent where it is none.
std::optional<AzureListing> ReadAzureListing(std::string_view body);

} // namespace wal2lake
