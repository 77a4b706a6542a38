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
    {"label-differs", kWarning, "document and database have different labels"},
    {"labels-in-structure", kInfo, "the structure sets labels, which belong in the policy"},
    {"missing-table", kError, "a table of the structure has no document"},
    {"misspelt", kError, "a table or column does not exist, and one of nearly that name has no label"},
    {"named-like-red", kWarning, "a column that is sent in clear has a name as red ones have"},
    {"newly-flows", kInfo, "a column is sent that was not, or in clear that was hashed"},
    {"not-a-root", kError, "a document is about a partition, whose root's labels hold"},
    {"not-a-table", kError, "a document is about a view or a foreign table, which is never sent"},
    {"not-applied", kWarning, "a label is in the document, and the database has none"},
    {"not-declared", kWarning, "what a document names is not in the database, and not declared ahead"},
    {"not-editable", kError, "what should be written does not go into a document"},
    {"not-in-policy", kWarning, "the database has a label, and no document decides"},
    {"odd-label", kError, "a label is none"},
    {"path-taken", kError,
     "the file that a document would be written to is of another table, or something else"},
    {"reference-differs", kWarning, "the two sides of a foreign key come out differently"},
    {"renamed", kInfo,
     "a column or table was called otherwise when it was labelled, and took the label along"},
    {"same-name-as-red", kWarning,
     "a column that is sent in clear has name and type of one that is orange or red elsewhere"},
    {"small-domain", kWarning, "a hash is asked for where a column has few values, which can be guessed"},
    {"stale-column", kError, "a column of a document does not exist"},
    {"stale-table", kError, "a document's table does not exist"},
    {"structure-unreadable", kError, "something about a table in the structure cannot be read"},
    {"table-without-document", kWarning, "a table of the database has no document"},
    {"unclassified", kWarning,
     "a column has no label in the database, and no document decides: it is withheld"},
    {"unknown-key", kError, "a document has a key that means nothing"},
    {"unlabelled", kError, "nobody has decided about a column"},
    {"unreadable", kError, "a document cannot be read"},
    {"waiting", kInfo, "what a document names is declared ahead, and does not exist yet"},
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
