#include "doctor_lake.h"

#include <chrono>

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "chain.h"
#include "settings.h"
#include "store/store.h"
#include "verify.h"

namespace wal2lake
{
namespace
{

constexpr std::string_view kFile = "file://";

void LookAtTail(const std::string& source, Store& store, LakeFacts* facts)
{
    const auto tail = FindTail(store, source);
    if (!tail.ok()) {
        facts->tail_error = tail.error();
        return;
    }
    if (!tail.value())
        return;
    facts->tail_name = FormatSegmentName(*tail.value());
    uint64_t bytes = 0;
    auto checked = ReadSegment(store, facts->tail_name, &bytes);
    if (checked.ok())
        facts->tail = Tail{*tail.value(), std::move(checked.value())};
    else
        facts->tail_error = checked.error();
}

void Probe(const DoctorNames& names, Store& store, LakeFacts* facts)
{
    const auto now = std::chrono::system_clock::now().time_since_epoch().count();
    const std::string name =
        names.source + "/probe/" + std::to_string(::getpid()) + "-" + std::to_string(now);
    const auto first = store.PutIfAbsent(name, "wal2lake doctor\n");
    if (!first.ok()) {
        facts->write_error = first.error();
        return;
    }
    const auto second = store.PutIfAbsent(name, "wal2lake doctor, again\n");
    if (second.ok())
        facts->second_create_refused = false;
    else if (second.error().kind != ErrorKind::kExists)
        facts->write_error = second.error();
    const auto removed = store.Delete(name);
    if (!removed.ok())
        facts->write_error = removed.error();
}

} // namespace

LakeFacts LookAtLake(const Config& config, const DoctorNames& names)
{
    LakeFacts facts;
    auto store = OpenLake(config);
    if (!store.ok()) {
        facts.open_error = store.error();
        return facts;
    }
    if (names.lake.starts_with(kFile)) {
        facts.folder = names.lake.substr(kFile.size());
        struct stat found {
        };
        facts.folder_exists = ::stat(facts.folder->c_str(), &found) == 0;
        if (!facts.folder_exists)
            return facts;
        struct statvfs space {
        };
        if (::statvfs(facts.folder->c_str(), &space) == 0)
            facts.free_bytes = static_cast<uint64_t>(space.f_bavail) * space.f_frsize;
    }
    LookAtTail(names.source, *store.value(), &facts);
    // Folders that only the probe needs go with it.
    const std::string folder = facts.folder ? *facts.folder + "/" + names.source : "";
    const bool is_new = facts.folder && ::access(folder.c_str(), F_OK) != 0;
    Probe(names, *store.value(), &facts);
    if (facts.folder)
        ::rmdir((folder + "/probe").c_str());
    if (is_new)
        ::rmdir(folder.c_str());
    return facts;
}

} // namespace wal2lake
