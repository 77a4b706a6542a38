// From the tree of one document to what it says, with a complaint for each thing that
// cannot be taken. For document.cpp, rules.cpp and dictionary.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy_code/document.h"
#include "policy_code/finding.h"
#include "policy_code/yaml_tree.h"

namespace wal2lake
{

inline constexpr std::string_view kUnreadable = "unreadable";
inline constexpr std::string_view kDuplicate = "duplicate";
inline constexpr std::string_view kUnknownKey = "unknown-key";

// What a column says where nobody has decided yet.
inline constexpr std::string_view kTodo = "TODO";

class DocumentReader
{
  public:
    // Complaints about `path` of `folder` go to `findings`, which outlives this.
    DocumentReader(const std::string& folder, const std::string& path, std::vector<PolicyFinding>* findings);

    Place At(size_t line) const { return {file_, line}; }

    void Complain(std::string_view code, size_t line, std::string object, std::string text,
                  std::string fix) const;
    // `what` is "key", "column" or the like.
    void ComplainTwice(std::string_view what, const YamlNode& second, size_t first_line,
                       std::string object) const;

    // The root, a mapping or kEmpty; nullopt with a complaint where there is none.
    std::optional<YamlNode> Read(std::string_view text) const;

    // Complains about keys that are there twice, and, where `known` has any, about all others.
    void CheckKeys(const YamlNode& mapping, const std::vector<std::string_view>& known,
                   const std::string& object) const;

    // The text of a member; nullopt with a complaint where that is none, or is empty.
    std::optional<std::string> Text(const YamlMember& member, const std::string& object) const;
    // A label, empty for TODO.
    std::optional<std::string> Label(const YamlMember& member, const std::string& object) const;
    // A text that PostgreSQL takes for a name.
    std::optional<std::string> Name(const YamlMember& member) const;
    bool CheckName(const YamlNode& name, const std::string& object) const;

  private:
    std::string file_;
    std::vector<PolicyFinding>* findings_;
};

// folder + "/" + path, with one slash.
std::string FileName(const std::string& folder, const std::string& path);

// rules.cpp.
std::vector<Rule> ReadRules(const YamlNode& root, const DocumentReader& reader);

} // namespace wal2lake
