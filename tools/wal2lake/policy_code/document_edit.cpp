// Writes documents, and edits those that people have written: where an edit goes is
// worked out from the text, and what came of it is read again before it is given away.
#include <algorithm>
#include <utility>

#include "policy_code/document_reader.h"

namespace wal2lake
{
namespace
{

constexpr size_t kStep = 2;

std::string ColumnLine(const NewColumn& column)
{
    return YamlScalar(column.name) + ": " +
           (column.label.empty() ? std::string(kTodo) : YamlScalar(column.label)) +
           YamlComment(column.comment);
}

// Bytes of the text that become others.
struct Change {
    size_t offset = 0;
    size_t length = 0;
    std::string text;
};

std::string Applied(std::string text, std::vector<Change> changes)
{
    // From the end, so that offsets stay right.
    std::sort(changes.begin(), changes.end(),
              [](const Change& a, const Change& b) { return a.offset > b.offset; });
    for (const Change& change : changes)
        text.replace(change.offset, change.length, change.text);
    return text;
}

class TextLines
{
  public:
    explicit TextLines(std::string_view text) : text_(text)
    {
        for (size_t begin = 0; begin < text.size();) {
            const size_t end = std::min(text.find('\n', begin), text.size());
            const bool has_return = end < text.size() && end > begin && text[end - 1] == '\r';
            lines_.push_back({begin, end - (has_return ? 1 : 0)});
            begin = end + 1;
        }
    }

    // All lines are counted from 0 here.
    size_t count() const { return lines_.size(); }
    // Where its text ends and its line break begins.
    size_t EndOf(size_t line) const { return lines_[line].end; }

    // The last one from `first` on, and before `end`, that holds anything, and then the comments right
    // behind it that are indented by `indent` at least.
    size_t LastOf(size_t first, size_t end, size_t indent) const
    {
        size_t last = first;
        for (size_t line = first; line < end; line++)
            if (!Content(line).empty() && !IsComment(line) && !IsMarker(line))
                last = line;
        while (last + 1 < end && IsComment(last + 1) && IndentOf(last + 1) >= indent)
            last++;
        return last;
    }

    // The line break behind a line, or where it has none, of the first line.
    std::string BreakOf(size_t line) const
    {
        const size_t end = lines_[line].end < text_.size() ? lines_[line].end : lines_[0].end;
        return end < text_.size() && text_[end] == '\r' ? "\r\n" : "\n";
    }

  private:
    struct Line {
        size_t begin = 0;
        size_t end = 0;
    };

    size_t IndentOf(size_t line) const
    {
        const std::string_view whole =
            text_.substr(lines_[line].begin, lines_[line].end - lines_[line].begin);
        return std::min(whole.find_first_not_of(" \t"), whole.size());
    }
    std::string_view Content(size_t line) const
    {
        const size_t begin = lines_[line].begin + IndentOf(line);
        return text_.substr(begin, lines_[line].end - begin);
    }
    bool IsComment(size_t line) const { return Content(line).starts_with('#'); }
    bool IsMarker(size_t line) const
    {
        return IndentOf(line) == 0 && (Content(line).starts_with("---") || Content(line).starts_with("..."));
    }

    std::string_view text_;
    std::vector<Line> lines_;
};

// Of the scalar that begins at `begin`; 0 where it is not on one line.
size_t ScalarLength(std::string_view text, size_t begin, bool in_flow)
{
    std::string_view line = text.substr(begin);
    line = line.substr(0, line.find_first_of("\r\n"));
    if (line.empty() || line[0] == '|' || line[0] == '>')
        return 0;
    if (line[0] == '"' || line[0] == '\'')
        return QuotedLength(line);
    if (in_flow)
        line = line.substr(0, line.find_first_of(",[]{}"));
    line = line.substr(0, std::min(line.find(" #"), line.find("\t#")));
    const size_t last = line.find_last_not_of(" \t");
    return last == std::string_view::npos ? 0 : last + 1;
}

Error CannotEdit(const std::string& reason)
{
    return {ErrorKind::kInvalid, "the document cannot be edited: " + reason};
}

// The one table of a document in which all is well.
Result<TableEntry> TableOf(const std::string& text)
{
    Policy policy = ParsePolicy("policy", {{"document.yml", text}});
    if (!policy.findings.empty()) {
        const PolicyFinding& first = policy.findings.front();
        return CannotEdit(first.text + ", line " + std::to_string(first.place.line));
    }
    // A document without a finding has one.
    return std::move(policy.tables.front());
}

bool SaysTheSame(const TableEntry& a, const TableEntry& b)
{
    return a.schema == b.schema && a.table == b.table && a.label == b.label &&
           std::equal(a.columns.begin(), a.columns.end(), b.columns.begin(), b.columns.end(),
                      [](const ColumnEntry& x, const ColumnEntry& y) {
                          return x.name == y.name && x.label == y.label && x.reviewed == y.reviewed;
                      });
}

// One edit of one document that is good as it is, and outlives this.
class DocumentEdit
{
  public:
    DocumentEdit(const std::string& text, TableEntry table, YamlNode root)
        : text_(text), lines_(text), table_(std::move(table)), root_(std::move(root)),
          columns_(root_.Find("columns"))
    {
    }

    std::optional<Error> Relabel(const std::string& name, const std::string& label);
    std::optional<Error> Add(const std::vector<NewColumn>& added);
    Result<std::string> Finish();

  private:
    // Line `line` from 0; the new ones go behind it.
    void InsertBehind(size_t line, const std::vector<std::string>& added);
    // The line from 0 that the member behind the columns begins in.
    size_t EndOfColumns() const;

    const std::string& text_;
    TextLines lines_;
    // What the document is to say in the end.
    TableEntry table_;
    YamlNode root_;
    const YamlMember* columns_;
    std::vector<Change> changes_;
};

std::optional<Error> DocumentEdit::Relabel(const std::string& name, const std::string& label)
{
    const YamlMember* member = columns_ == nullptr ? nullptr : columns_->value.Find(name);
    if (member == nullptr)
        return CannotEdit("it has no column \"" + name + "\"");
    const auto entry = std::find_if(table_.columns.begin(), table_.columns.end(),
                                    [&](const ColumnEntry& column) { return column.name == name; });
    if (entry->label == label)
        return std::nullopt;
    entry->label = label;
    const YamlNode* value = &member->value;
    bool in_flow = root_.is_flow || columns_->value.is_flow;
    if (value->kind == YamlNode::Kind::kMapping) {
        in_flow = in_flow || value->is_flow;
        value = &value->Find("label")->value;
    }
    const size_t length = ScalarLength(text_, value->offset, in_flow);
    if (length == 0)
        return CannotEdit("the label of column \"" + name + "\" takes several lines");
    changes_.push_back({value->offset, length, label.empty() ? std::string(kTodo) : YamlScalar(label)});
    return std::nullopt;
}

size_t DocumentEdit::EndOfColumns() const
{
    const size_t next = static_cast<size_t>(columns_ - root_.members.data()) + 1;
    return next < root_.members.size() ? root_.members[next].key.line - 1 : lines_.count();
}

void DocumentEdit::InsertBehind(size_t line, const std::vector<std::string>& added)
{
    const std::string line_break = lines_.BreakOf(line);
    std::string text;
    for (const std::string& each : added)
        text += line_break + each;
    changes_.push_back({lines_.EndOf(line), 0, std::move(text)});
}

std::optional<Error> DocumentEdit::Add(const std::vector<NewColumn>& added)
{
    if (added.empty())
        return std::nullopt;
    for (const NewColumn& column : added) {
        if (table_.Find(column.name) != nullptr)
            return CannotEdit("it has a column \"" + column.name + "\" already");
        table_.columns.push_back({column.name, column.label, {}, {}});
    }
    if (root_.is_flow || (columns_ != nullptr && columns_->value.is_flow))
        return CannotEdit("it is written in braces; write a line for each column, without them");
    std::vector<std::string> written;
    size_t indent = root_.members.front().key.indent + kStep;
    size_t behind = 0;
    if (columns_ == nullptr) {
        written.push_back(std::string(indent - kStep, ' ') + "columns:");
        behind = lines_.LastOf(root_.members.back().key.line - 1, lines_.count(), 0);
    } else if (columns_->value.members.empty()) {
        behind = columns_->key.line - 1;
    } else {
        indent = columns_->value.members.front().key.indent;
        behind = lines_.LastOf(columns_->value.members.back().key.line - 1, EndOfColumns(), indent);
    }
    for (const NewColumn& column : added)
        written.push_back(std::string(indent, ' ') + ColumnLine(column));
    InsertBehind(behind, written);
    return std::nullopt;
}

Result<std::string> DocumentEdit::Finish()
{
    std::string edited = Applied(text_, changes_);
    const Result<TableEntry> again = TableOf(edited);
    if (!again.ok())
        return again.error();
    if (!SaysTheSame(again.value(), table_))
        return CannotEdit("it is written in a way that this does not know; write a line for each column");
    return edited;
}

} // namespace

std::string FormatDocument(const std::string& schema, const std::string& table, const std::string& label,
                           const std::vector<NewColumn>& columns, const std::string& description)
{
    std::string text = "# What wal2lake makes of the columns of one table (docs/policy.md). Edit the labels;"
                       " an export adds columns and keeps the rest.\n";
    if (!description.empty())
        text += YamlComment(description).substr(2) + "\n";
    text += "schema: " + YamlScalar(schema) + "\ntable: " + YamlScalar(table) + "\n";
    if (!label.empty())
        text += "label: " + YamlScalar(label) + "\n";
    if (!columns.empty())
        text += "columns:\n";
    for (const NewColumn& column : columns)
        text += std::string(kStep, ' ') + ColumnLine(column) + "\n";
    return text;
}

Result<std::string> EditDocument(const std::string& text, const std::vector<NewColumn>& added,
                                 const std::map<std::string, std::string>& changed)
{
    Result<TableEntry> table = TableOf(text);
    if (!table.ok())
        return table.error();
    YamlProblem problem;
    std::optional<YamlNode> root = ReadYaml(text, &problem);
    if (!root)
        return CannotEdit(problem.text);
    DocumentEdit edit(text, std::move(table.value()), std::move(*root));
    for (const auto& [name, label] : changed)
        if (std::optional<Error> error = edit.Relabel(name, label))
            return *error;
    if (std::optional<Error> error = edit.Add(added))
        return *error;
    return edit.Finish();
}

} // namespace wal2lake
