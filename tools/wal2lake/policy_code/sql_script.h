// Splits a script into statements as psql does, for structure.h. Done here and not by
// the server's scanner, because that knows neither psql's backslash lines nor the rows
// behind COPY, gives up a whole file at the first thing that is newer than itself, and
// what stands inside of quotes must be known to pass over the others.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wal2lake
{

struct SqlStatement {
    // From its first word to before its semicolon. Points into the script.
    std::string_view text;
    // Of the text in the script, in bytes.
    size_t offset = 0;
    // The last one, where what never ends is in it.
    bool is_open = false;
};

// What begins in a script and never ends, so that all behind it was taken for a part of it.
struct OpenEnd {
    // "quote", "comment", "parenthesis" or "COPY", whose rows do not end.
    std::string_view what;
    size_t offset = 0;
};

// The statements in order, without psql's backslash lines, rows of COPY, and the blanks
// and comments before a statement. Whatever the bytes are, it ends.
std::vector<SqlStatement> SplitScript(std::string_view script, std::optional<OpenEnd>* open = nullptr);

// The words with which a statement begins, in capitals, comments passed over: at most
// `count`, up to the first that is no plain word.
std::vector<std::string> FirstWords(std::string_view statement, size_t count);

enum class SqlKind { kNone, kCreateTable, kCreateView, kCreateSchema, kUniqueIndex, kOther };

// Whether a statement can say something of tables; most need not be parsed: functions,
// sequences, plain indexes, triggers, comments, owners.
SqlKind KindOf(std::string_view statement);

// The parts of the list in the first parentheses of `text`, at its commas: elements of a
// CREATE TABLE. Empty where there is no such list or it does not end.
std::vector<std::string_view> SplitElements(std::string_view text);

// What is before and behind the parentheses of the elements that were split off `text`.
std::pair<std::string_view, std::string_view> AroundElements(std::string_view text,
                                                             const std::vector<std::string_view>& elements);

// Lengths to which an element can be cut where it is not understood whole, the longest first: all
// of it, before each of its last words, then of its first ones. Not of all: what is long would be
// parsed as many times as it has words.
std::vector<size_t> CutsOf(std::string_view element);

// The element with STORED behind its first `length` bytes, in place of VIRTUAL where those end with that.
std::string AsStored(std::string_view element, size_t length);

// The parser counts characters, from 1.
size_t OffsetOfCharacter(std::string_view text, size_t position);

// The first byte that is no UTF-8, or 0, which no text has; nullopt where there is none.
std::optional<size_t> NoTextAt(std::string_view text);

// Finds the line, from 1, of an offset.
class LineIndex
{
  public:
    explicit LineIndex(std::string_view text);
    size_t LineOf(size_t offset) const;

  private:
    // Where each line begins.
    std::vector<size_t> starts_;
};

} // namespace wal2lake
