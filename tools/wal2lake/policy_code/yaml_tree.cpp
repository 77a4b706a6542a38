#include "policy_code/yaml_tree.h"

#include <algorithm>
#include <exception>
#include <sstream>
#include <unordered_set>
#include <utility>

// Once in the command.
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

namespace wal2lake
{
namespace
{

constexpr size_t kDeepest = 16;
// A table has 1,600 columns at most, of some seven events each.
constexpr size_t kMostEvents = 100'000;

struct Event {
    enum class Kind { kNull, kScalar, kSequence, kMapping, kEnd };

    Kind kind = Kind::kEnd;
    size_t offset = 0;
    std::string text;
    bool is_flow = false;
};

// Leaves the parser where a document has what no policy needs.
struct Refusal {
    size_t offset;
    const char* text;
    const char* fix;
};

constexpr const char* kWriteItOut =
    "write each text out where it stands, in double quotes where it needs them";

// What the parser finds, in order. The tree is made afterwards, because only what comes next
// tells whether a null was written.
class Recorder : public YAML::EventHandler
{
  public:
    explicit Recorder(std::string_view text) : text_(text) {}

    const std::vector<Event>& events() const { return events_; }

    void OnDocumentStart(const YAML::Mark& mark) override
    {
        if (documents_++ > 0)
            throw Refusal{OffsetOf(mark), "a second document begins", "give it a file of its own"};
    }
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override
    {
        CheckPlain(mark, "?", anchor);
        Add({Event::Kind::kNull, OffsetOf(mark), {}, false});
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override
    {
        throw Refusal{OffsetOf(mark), "an alias of YAML is used", kWriteItOut};
    }
    void OnAnchor(const YAML::Mark& mark, const std::string& /*name*/) override
    {
        throw Refusal{OffsetOf(mark), "an anchor of YAML is used", kWriteItOut};
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override
    {
        CheckPlain(mark, tag, anchor);
        if (value.find('\0') != std::string::npos)
            throw Refusal{OffsetOf(mark), "a text has a zero byte", "leave the zero byte out"};
        // The parser takes the end of a file, which may be half of one, for that of a text.
        const std::string_view written = text_.substr(OffsetOf(mark));
        if ((written.starts_with('"') || written.starts_with('\'')) && QuotedLength(written) == 0)
            throw Refusal{OffsetOf(mark), "a text in quotes does not end", "add the quote that is missing"};
        Add({Event::Kind::kScalar, OffsetOf(mark), value, false});
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value style) override
    {
        Begin(Event::Kind::kSequence, mark, tag, anchor, style);
    }
    void OnSequenceEnd() override { End(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value style) override
    {
        Begin(Event::Kind::kMapping, mark, tag, anchor, style);
    }
    void OnMapEnd() override { End(); }

  private:
    size_t OffsetOf(const YAML::Mark& mark) const
    {
        return std::min(text_.size(), static_cast<size_t>(std::max(mark.pos, 0)));
    }

    void CheckPlain(const YAML::Mark& mark, std::string_view tag, YAML::anchor_t anchor) const
    {
        const size_t offset = OffsetOf(mark);
        const char first = offset < text_.size() ? text_[offset] : ' ';
        // "?" and "!" are the parser's own for plain and quoted ones; a "!" that is written is not.
        if (first == '!' || (tag != "?" && tag != "!"))
            throw Refusal{offset, "a tag of YAML is used", kWriteItOut};
        if (first == '&' || anchor != YAML::NullAnchor)
            throw Refusal{offset, "an anchor of YAML is used", kWriteItOut};
    }

    void Begin(Event::Kind kind, const YAML::Mark& mark, std::string_view tag, YAML::anchor_t anchor,
               YAML::EmitterStyle::value style)
    {
        CheckPlain(mark, tag, anchor);
        if (++depth_ > kDeepest)
            throw Refusal{OffsetOf(mark), "it nests too deep", "a policy needs three levels"};
        Add({kind, OffsetOf(mark), {}, style != YAML::EmitterStyle::Block});
    }

    void End()
    {
        depth_--;
        Add({});
    }

    void Add(Event event)
    {
        if (events_.size() >= kMostEvents)
            throw Refusal{event.offset, "it is too long", "give each table a file of its own"};
        events_.push_back(std::move(event));
    }

    std::string_view text_;
    std::vector<Event> events_;
    size_t documents_ = 0;
    size_t depth_ = 0;
};

// yaml-cpp calls back for what is empty and for the words for null alike.
std::string NullWord(std::string_view text)
{
    for (const char* word : {"null", "Null", "NULL", "~"})
        if (text.starts_with(word))
            return word;
    return {};
}

class TreeMaker
{
  public:
    // Of `text`, which is without the mark of `skipped` bytes that it had in front.
    TreeMaker(std::string_view text, size_t skipped, std::vector<Event> events)
        : text_(text), skipped_(skipped), events_(std::move(events))
    {
        for (size_t at = 0; at != std::string_view::npos; at = text.find('\n', at)) {
            at += line_starts_.empty() ? 0 : 1;
            line_starts_.push_back(at);
        }
        MakeWordsOfNulls();
    }

    YamlNode Make()
    {
        size_t at = 0;
        if (events_.empty())
            return Place(0);
        return Take(&at);
    }

  private:
    // What is empty has the place of what comes next, so that a null there is a word only
    // where nothing else begins.
    void MakeWordsOfNulls()
    {
        std::unordered_set<size_t> begun;
        for (size_t i = events_.size(); i-- > 0;) {
            Event& event = events_[i];
            if (event.kind == Event::Kind::kEnd)
                continue;
            const bool is_alone = begun.insert(event.offset).second;
            if (event.kind == Event::Kind::kNull && is_alone) {
                event.text = NullWord(text_.substr(event.offset));
                event.kind = event.text.empty() ? Event::Kind::kNull : Event::Kind::kScalar;
            }
        }
    }

    YamlNode Place(size_t offset) const
    {
        const auto next = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
        YamlNode node;
        node.offset = offset + skipped_;
        node.line = static_cast<size_t>(next - line_starts_.begin());
        node.indent = offset - *(next - 1);
        return node;
    }

    YamlNode Take(size_t* at)
    {
        const Event& event = events_[(*at)++];
        YamlNode node = Place(event.offset);
        node.text = event.text;
        node.is_flow = event.is_flow;
        if (event.kind == Event::Kind::kScalar)
            node.kind = YamlNode::Kind::kScalar;
        if (event.kind == Event::Kind::kSequence) {
            node.kind = YamlNode::Kind::kSequence;
            while (events_[*at].kind != Event::Kind::kEnd)
                node.items.push_back(Take(at));
            (*at)++;
        }
        if (event.kind == Event::Kind::kMapping) {
            node.kind = YamlNode::Kind::kMapping;
            while (events_[*at].kind != Event::Kind::kEnd)
                node.members.push_back(TakeMember(at));
            (*at)++;
        }
        return node;
    }

    YamlMember TakeMember(size_t* at)
    {
        const size_t offset = events_[*at].offset;
        YamlMember member{Take(at), {}};
        if (member.key.kind != YamlNode::Kind::kScalar)
            throw Refusal{offset, "a key is no text", "write one name in front of each colon"};
        member.value = Take(at);
        return member;
    }

    std::string_view text_;
    size_t skipped_;
    std::vector<Event> events_;
    std::vector<size_t> line_starts_;
};

size_t LineOf(std::string_view text, size_t offset)
{
    return 1 +
           static_cast<size_t>(std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(offset), '\n'));
}

YamlProblem NoYaml(const std::string& reason, size_t line)
{
    return {line, "it is no YAML: " + reason,
            "look at the indentation, and put texts with \": \" or \" #\" into double quotes"};
}

} // namespace

const YamlMember* YamlNode::Find(std::string_view key) const
{
    const auto found = std::find_if(members.begin(), members.end(),
                                    [&](const YamlMember& member) { return member.key.text == key; });
    return found == members.end() ? nullptr : &*found;
}

std::optional<YamlNode> ReadYaml(std::string_view document, YamlProblem* problem)
{
    const std::string_view text = WithoutByteOrderMark(document);
    if (std::optional<YamlProblem> wrong = ProblemOfText(text)) {
        *problem = std::move(*wrong);
        return std::nullopt;
    }
    try {
        std::istringstream stream{std::string(text)};
        YAML::Parser parser(stream);
        Recorder recorder(text);
        // The second document is a refusal.
        while (parser.HandleNextDocument(recorder))
            continue;
        return TreeMaker(text, document.size() - text.size(), recorder.events()).Make();
    } catch (const Refusal& refusal) {
        *problem = {LineOf(text, refusal.offset), refusal.text, refusal.fix};
    } catch (const YAML::Exception& error) {
        *problem = NoYaml(error.msg, error.mark.is_null() ? 0 : static_cast<size_t>(error.mark.line) + 1);
    } catch (const std::exception& error) {
        *problem = NoYaml(error.what(), 0);
    }
    return std::nullopt;
}

} // namespace wal2lake
