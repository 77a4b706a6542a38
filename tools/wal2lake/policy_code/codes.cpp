#include "policy_code/codes.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace wal2lake
{
namespace
{

using enum PolicySeverity;

constexpr auto kCodes = std::to_array<PolicyCode>({
    {"duplicate", kError, "a table or a column is there twice"},
    {"generated-copy", kError, "a column that is sent in clear is generated from one that is not"},
    {"ignored-column", kWarning, "a column is to be sent in clear that a dictionary ignores"},
    {"impossible-action", kError, "a label asks for a hash that the column's type cannot have"},
    {"labels-in-structure", kInfo, "the structure sets labels, which belong in the policy"},
    {"missing-table", kError, "a table of the structure has no document"},
    {"misspelt", kError, "a table or column does not exist, and one of nearly that name has no label"},
    {"named-like-red", kWarning, "a column that is sent in clear has a name as red ones have"},
    {"newly-flows", kInfo, "a column is sent that was not, or in clear that was hashed"},
    {"not-a-root", kError, "a document is about a partition, whose root's labels hold"},
    {"not-a-table", kError, "a document is about a view or a foreign table, which is never sent"},
    {"odd-label", kError, "a label is none"},
    {"reference-differs", kWarning, "the two sides of a foreign key come out differently"},
    {"same-name-as-red", kWarning,
     "a column that is sent in clear has name and type of one that is orange or red elsewhere"},
    {"small-domain", kWarning, "a hash is asked for where a column has few values, which can be guessed"},
    {"stale-column", kError, "a column of a document does not exist"},
    {"stale-table", kError, "a document's table does not exist"},
    {"structure-unreadable", kError, "something about a table in the structure cannot be read"},
    {"unknown-key", kError, "a document has a key that means nothing"},
    {"unlabelled", kError, "nobody has decided about a column"},
    {"unreadable", kError, "a document cannot be read"},
});

} // namespace

std::span<const PolicyCode> AllPolicyCodes()
{
    return kCodes;
}

PolicyFinding MakeFinding(std::string_view code, Place place, std::string object, std::string text,
                          std::string fix)
{
    const auto found =
        std::find_if(kCodes.begin(), kCodes.end(), [&](const PolicyCode& each) { return each.name == code; });
    assert(found != kCodes.end());
    return {found == kCodes.end() ? kError : found->severity,
            std::string(code),
            std::move(place),
            std::move(object),
            std::move(text),
            std::move(fix)};
}

} // namespace wal2lake
