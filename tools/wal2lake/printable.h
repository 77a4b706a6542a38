// Names and messages of others on a terminal, which obeys what a text tells it: that
// of a table could paint over a line, or turn the order of letters about.
#pragma once

#include <string>
#include <string_view>

namespace wal2lake
{

// Without control characters, those that are not seen or turn the direction of text,
// and bytes that are no UTF-8: these as \xNN or \u{NNNN}. Newlines and tabs among them.
std::string Printable(std::string_view text);

// The same for sentences: newlines and tabs are blanks.
std::string PrintableSentence(std::string_view text);

// The same statements without them, to be pasted: an identifier or literal that has
// one becomes U&"..." or U&'...'. Newlines and tabs stay where they are between words.
std::string PrintableSql(std::string_view sql);

} // namespace wal2lake
