// What the name and the type of a column say about its values: for suggestions
// (suggest.h), and for the check that looks at what is sent in clear (check.h). Words are
// those of English, matched on the parts of a name: `emailed_at` is no e-mail address.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy_code/schema.h"

namespace wal2lake
{

// Types between which a column may move without its values becoming others.
enum class TypeFamily : unsigned {
    kText = 1U << 0U,
    // A number, "char" or enum of few values, and bool.
    kSmall = 1U << 1U,
    kNumber = 1U << 2U,
    kDate = 1U << 3U,
    kTime = 1U << 4U,
    kNetwork = 1U << 5U,
    kUuid = 1U << 6U,
    // What holds anything: json, xml, bytea, hstore, tsvector.
    kDocument = 1U << 7U,
    kArray = 1U << 8U,
    kOther = 1U << 9U,
};

TypeFamily FamilyOf(const SchemaType& type);

// What red values a name speaks of.
struct RedName {
    // Such as "a secret": for "named like ...".
    std::string_view what;
    // By which values are to be joined where they can be hashed; empty: they are to be dropped.
    std::string_view domain;
};

// nullopt where neither name nor type speaks of any. With no type (nullptr) the name decides.
std::optional<RedName> RedNameOf(std::string_view table, std::string_view column, const SchemaType* type);

// Why the column may be sent to everybody, such as "a time"; empty where that is not sure. Says nothing of
// keys, and must not be asked where RedNameOf() has an answer.
std::string_view OpenNameOf(std::string_view column, const SchemaType& type);

// The words of a name, in small letters and without digits at their ends: those of
// `home_address2`, `homeAddress`.
std::vector<std::string> WordsOf(std::string_view name);

} // namespace wal2lake
