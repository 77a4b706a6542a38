#include "store/xml.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

// Once in the command.
#include <pugixml.hpp>

#include "utf8.h"

namespace wal2lake
{
namespace
{

constexpr int kDeepest = 32;

std::string LocalName(const char* name)
{
    const char* colon = std::strchr(name, ':');
    return colon == nullptr ? name : colon + 1;
}

bool Copy(const pugi::xml_node& from, int depth, XmlElement* to)
{
    if (depth > kDeepest)
        return false;
    to->name = LocalName(from.name());
    for (const pugi::xml_node& child : from.children()) {
        if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata)
            to->text += child.value();
        else if (child.type() == pugi::node_element && !Copy(child, depth + 1, &to->children.emplace_back()))
            return false;
    }
    return true;
}

// Without what no document of XML 1.0 may have, not even as a reference.
std::string XmlText(std::string_view text)
{
    std::string written;
    while (!text.empty()) {
        const Utf8Character character = TakeUtf8(&text);
        const int32_t code = character.code;
        const bool is_control = code < 0x20 && code != '\t' && code != '\n' && code != '\r';
        written += is_control || code == 0xFFFE || code == 0xFFFF ? "\uFFFD" : character.bytes;
    }
    return written;
}

void Write(const XmlElement& element, pugi::xml_node parent)
{
    pugi::xml_node node = parent.append_child(element.name.c_str());
    for (const auto& [name, value] : element.attributes)
        node.append_attribute(name.c_str()).set_value(XmlText(value).c_str());
    if (!element.text.empty())
        node.append_child(pugi::node_pcdata).set_value(XmlText(element.text).c_str());
    for (const XmlElement& child : element.children)
        Write(child, node);
}

class TextWriter : public pugi::xml_writer
{
  public:
    void write(const void* data, size_t size) override { text_.append(static_cast<const char*>(data), size); }
    const std::string& text() const { return text_; }

  private:
    std::string text_;
};

} // namespace

const XmlElement* XmlElement::Find(std::string_view path) const
{
    const size_t slash = path.find('/');
    const auto child = std::find_if(children.begin(), children.end(), [&](const XmlElement& element) {
        return element.name == path.substr(0, slash);
    });
    if (child == children.end())
        return nullptr;
    return slash == std::string_view::npos ? &*child : child->Find(path.substr(slash + 1));
}

std::string_view XmlElement::Text(std::string_view path) const
{
    const XmlElement* element = Find(path);
    return element == nullptr ? std::string_view() : element->text;
}

std::optional<XmlElement> ParseXml(std::string_view document)
{
    pugi::xml_document parsed;
    // Keys of objects may be blanks, which parse_default drops.
    const auto options = pugi::parse_default | pugi::parse_ws_pcdata_single;
    if (!parsed.load_buffer(document.data(), document.size(), options))
        return std::nullopt;
    XmlElement root;
    if (!Copy(parsed.document_element(), 0, &root))
        return std::nullopt;
    return root;
}

std::string WriteXml(const XmlElement& root)
{
    pugi::xml_document document;
    Write(root, document.root());
    TextWriter writer;
    document.save(writer, "  ", pugi::format_default, pugi::encoding_utf8);
    return writer.text();
}

} // namespace wal2lake
