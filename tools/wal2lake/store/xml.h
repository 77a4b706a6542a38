// Reads the small XML documents with which S3, STS and Azure answer, and writes reports
// (policy_code/report.h). Knows what no element means. Entities of a document's own
// (DOCTYPE) are not expanded.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wal2lake
{

struct XmlElement {
    // Without a namespace's prefix.
    std::string name;
    // What stands in it outside of its children, unescaped; blanks are kept.
    std::string text;
    std::vector<XmlElement> children;
    // To be written, in order; ParseXml() passes over them.
    std::vector<std::pair<std::string, std::string>> attributes;

    // The first element at `path`, such as "Error/Code", below this one; null where there is none.
    const XmlElement* Find(std::string_view path) const;
    // The text of that element, or empty.
    std::string_view Text(std::string_view path) const;
};

// The root element; absent where `document` is not well-formed, or nests deeper
// than any honest answer.
std::optional<XmlElement> ParseXml(std::string_view document);

// A document of XML 1.0 in UTF-8: the text of each element in front of its children. What XML has no
// character for, such as most control characters and what is no UTF-8, becomes U+FFFD.
std::string WriteXml(const XmlElement& root);

} // namespace wal2lake
