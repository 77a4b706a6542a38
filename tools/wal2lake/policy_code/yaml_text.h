// What YAML takes as text, and how texts are written so that each reader of YAML 1.1
// and 1.2 takes them as that same text. Knows nothing of trees.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace wal2lake
{

// No document is larger: a table of 1,600 columns with the longest names is below 1 MiB.
inline constexpr size_t kMaxDocumentBytes = size_t{4} << 20;

// Sentences as in finding.h; line 0: the document as a whole.
struct YamlProblem {
    size_t line = 0;
    std::string text;
    std::string fix;
};

// Some editors put one in front of UTF-8.
std::string_view WithoutByteOrderMark(std::string_view document);

// What no reader of YAML may take, or not each takes alike: size, bytes that are no UTF-8,
// control characters, other line breaks than LF and CR LF. `text` has no byte order mark.
std::optional<YamlProblem> ProblemOfText(std::string_view text);

// What does not show or turns the direction of text, so that who reviews a change sees
// something else than who obeys it. Joiners, which scripts and emoji need, may stay.
std::optional<YamlProblem> HiddenCharacter(std::string_view text);

// Bytes of the text in quotes at the beginning of `text`, quotes included; 0 where they do not end.
size_t QuotedLength(std::string_view text);

// One line, plain where that is safe, else in double quotes. Bytes that are no UTF-8 become U+FFFD.
std::string YamlScalar(std::string_view text);

// "  # comment", or nothing without one. Cannot leave its line.
std::string YamlComment(std::string_view comment);

} // namespace wal2lake
