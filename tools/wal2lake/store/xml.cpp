#include "store/xml.h"

#include <algorithm>
#include <cstring>

// Once in the command.
#include <pugixml.hpp>

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

} // namespace wal2lake
