#include "list_text.h"

namespace wal2lake
{

std::string Several(size_t number, const char* one)
{
    return std::to_string(number) + " " + one + (number == 1 ? "" : "s");
}

std::string ListText(const std::vector<std::string>& names, size_t shown)
{
    std::string text;
    for (size_t i = 0; i < names.size() && i < shown; i++)
        text += (i == 0 ? "" : ", ") + names[i];
    if (names.size() > shown)
        text += " and " + std::to_string(names.size() - shown) + " more";
    return text;
}

} // namespace wal2lake
