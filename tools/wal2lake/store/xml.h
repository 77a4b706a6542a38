// Reads the small XML documents with which S3, STS and Azure answer. Knows what no
// element means. Entities of a document's own (DOCTYPE) are not expanded.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wal2lake
{

// An element without its attributes.
struct XmlElement {
    // Without a namespace's prefix.
    std::string name;
    // What stands in it outside of its children, unescaped; blanks are kept.
    std::string text;
    std::vector<XmlElement> children;

    // The first element at `path`, such as "Error/Code", below this one; null where there is none.
    const XmlElement* Find(std::string_view path) const;
    // The text of that element, or empty.
    std::string_view Text(std::string_view path) const;
};

// The root element; absent where `document` is not well-formed, or nests deeper
// than any honest answer.
std::optional<XmlElement> ParseXml(std::string_view document);

} // namespace wal2lake
