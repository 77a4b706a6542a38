// One YAML document as a tree of texts with their places. yaml_tree.cpp is the only file
// that knows yaml-cpp, and knows nothing of policies. Read by document_reader.h, and by
// EditDocument(), which asks where things stand.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy_code/yaml_text.h"

namespace wal2lake
{

struct YamlMember;

struct YamlNode {
    // kEmpty: nothing is written, as behind a key that ends its line.
    enum class Kind { kEmpty, kScalar, kSequence, kMapping };

    Kind kind = Kind::kEmpty;
    // Of a scalar, without its quotes. Each is a text: `null`, `~`, `no` and `1`, too.
    std::string text;
    // Where it begins: bytes from the beginning of the document, its line from 1, and
    // bytes from the beginning of that line. Of kEmpty: where the next thing does.
    size_t offset = 0;
    size_t line = 0;
    size_t indent = 0;
    // A sequence or mapping in brackets.
    bool is_flow = false;
    std::vector<YamlNode> items;
    std::vector<YamlMember> members;

    // The first member of that key; null where there is none.
    const YamlMember* Find(std::string_view key) const;
};

struct YamlMember {
    // A scalar.
    YamlNode key;
    YamlNode value;

    // Of the value, or of the key where there is none.
    size_t line() const { return value.kind == YamlNode::Kind::kEmpty ? key.line : value.line; }
};

// The root; kEmpty where there is nothing but comments. Nullopt and *problem where `document`
// is no YAML, or has what no policy needs: anchors, aliases, tags, several documents, keys
// that are no text, depth.
std::optional<YamlNode> ReadYaml(std::string_view document, YamlProblem* problem);

} // namespace wal2lake
