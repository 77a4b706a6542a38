#include "doctor_text.h"

#include <algorithm>
#include <cctype>
#include <cstdio>

#include "config.h"

namespace wal2lake
{
namespace
{

std::string TomlQuoted(const std::string& text)
{
    std::string quoted = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        char escaped[8];
        std::snprintf(escaped, sizeof escaped, "\\u%04x", byte);
        if (byte < 0x20 || byte == 0x7F)
            quoted += escaped;
        else
            quoted += (c == '"' || c == '\\' ? std::string("\\") : std::string()) + c;
    }
    return quoted + "\"";
}

} // namespace

std::string ShellQuoted(const std::string& word)
{
    bool plain = !word.empty();
    std::string quoted = "'";
    for (const char c : word) {
        plain = plain && (std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                          std::string_view("/._-:=+@").find(c) != std::string_view::npos);
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return plain ? word : quoted + "'";
}

std::string ConninfoQuoted(const std::string& value)
{
    bool plain = !value.empty();
    std::string quoted = "'";
    for (const char c : value) {
        plain = plain && (std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                          std::string_view("/._-:,@").find(c) != std::string_view::npos);
        quoted += (c == '\'' || c == '\\' ? std::string("\\") : std::string()) + c;
    }
    return plain ? value : quoted + "'";
}

std::string HbaQuoted(const std::string& name)
{
    return PostgresSource::Identifier(name);
}

std::string SizeText(uint64_t bytes)
{
    const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double number = static_cast<double>(bytes);
    size_t unit = 0;
    while (number >= 1024 && unit < 4) {
        number /= 1024;
        unit++;
    }
    char text[32];
    std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", number, units[unit]);
    return text;
}

std::string BeforeFix(const std::string& sentence)
{
    return sentence.substr(0, sentence.find("; "));
}

std::string AfterFinding(const std::string& sentence)
{
    const size_t at = sentence.find("; ");
    return at == std::string::npos ? "" : sentence.substr(at + 2);
}

Fix AnotherId(const DoctorNames& names)
{
    return {Fix::Kind::kConfig, "id = \"" + names.source + "-2\""};
}

Fix AnotherSlot(const DoctorNames& names)
{
    std::string slot;
    for (const char c : "wal2lake_" + names.source)
        slot += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    slot.resize(std::min<size_t>(slot.size(), 60));
    if (slot == names.slot)
        slot += "_2";
    return {Fix::Kind::kConfig, "slot = \"" + slot + "\""};
}

Fix WithConninfo(const DoctorNames& names, const std::string& key, const std::string& value)
{
    std::string conninfo = names.conninfo;
    const std::string quoted = ConninfoQuoted(value);
    if (HoldsPassword(conninfo) || conninfo.find("://") != std::string::npos)
        return {Fix::Kind::kAdvice, "set " + key + "=" + quoted + " in conninfo"};
    // Of two settings of one key the last counts; with quotes about, leave it at that.
    const std::string setting = " " + key + "=";
    const size_t at = (" " + conninfo).find(setting);
    if (conninfo.find('\'') == std::string::npos && at != std::string::npos) {
        const size_t from = at + setting.size() - 1;
        conninfo.replace(from, std::min(conninfo.find(' ', from), conninfo.size()) - from, quoted);
    } else {
        conninfo += (conninfo.empty() ? "" : " ") + key + "=" + quoted;
    }
    return {Fix::Kind::kConfig, "conninfo = " + TomlQuoted(conninfo)};
}

std::vector<Fix> RecreateSlot(const DoctorNames& names)
{
    if (names.pull)
        return {{Fix::Kind::kSql, "SELECT pg_catalog.pg_drop_replication_slot('" + names.slot + "');"},
                {Fix::Kind::kSql, CreatePulledSlot({names.source, names.slot, names.lake})}};
    return {{Fix::Kind::kShell, "wal2lake slot drop" + names.arguments + " --yes"},
            {Fix::Kind::kShell, "wal2lake slot create" + names.arguments}};
}

} // namespace wal2lake
