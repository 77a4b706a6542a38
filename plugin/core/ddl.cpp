#include "core/ddl.h"

#include <array>
#include <string_view>

namespace
{

/* By number. The words are in the SQL of the extension, too, and never change. */
constexpr std::array<const char*, W2L_DDL_SET_UNLOGGED + 1> kNames = {
    "unspecified",       "drop_table", "drop_column",      "rename_table",     "rename_column",
    "rename_schema",     "set_schema", "attach_partition", "detach_partition", "rewrite",
    "alter_column_type", "alter_type", "set_logged",       "set_unlogged"};

} // namespace

extern "C" const char* w2l_ddl_kind_name(int32_t kind) noexcept
{
    const bool known = kind >= 0 && static_cast<size_t>(kind) < kNames.size();
    const char* const* const first = kNames.data();
    return first[known ? kind : 0];
}

extern "C" w2l_ddl_kind w2l_ddl_kind_of(const char* name) noexcept
{
    for (size_t kind = 0; kind < kNames.size(); ++kind)
        if (std::string_view(kNames[kind]) == name)
            return static_cast<w2l_ddl_kind>(kind);
    return W2L_DDL_UNSPECIFIED;
}
