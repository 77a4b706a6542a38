// Texts for a terminal: nothing that it would obey is left, whatever is put in, and
// what is left needs no second time.
#include <algorithm>
#include <string>

#include "core/wire_reader.h"
#include "fuzz.h"
#include "printable.h"

namespace wal2lake::fuzz
{
namespace
{

bool IsHarmless(const std::string& text, std::string_view kept)
{
    // Beside ASCII's: C1 and what turns the direction, as UTF-8.
    for (const char* obeyed :
         {"\u0080", "\u009b", "\u009f", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069"})
        if (text.find(obeyed) != std::string::npos)
            return false;
    return wire::IsUtf8(text) && std::none_of(text.begin(), text.end(), [kept](char c) {
               const auto byte = static_cast<unsigned char>(c);
               return (byte < 0x20 || byte == 0x7F) && kept.find(c) == std::string_view::npos;
           });
}

} // namespace

void Target(std::string_view input)
{
    const std::string shown = Printable(input);
    FUZZ_CHECK(IsHarmless(shown, "") && Printable(shown) == shown);
    const std::string sentence = PrintableSentence(input);
    FUZZ_CHECK(IsHarmless(sentence, "") && PrintableSentence(sentence) == sentence);
    const std::string sql = PrintableSql(input);
    FUZZ_CHECK(IsHarmless(sql, "\n\t") && PrintableSql(sql) == sql);
}

} // namespace wal2lake::fuzz
