#include "doctor_lake.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "chain.h"
#include "settings.h"
#include "store/probe.h"
#include "store/store.h"
#include "trim_mark.h"
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
    // A run does without the mark, readers do not.
    const auto mark = FindTrimMark(store, source);
    if (!mark.ok())
        facts->tail_error = mark.error();
}

// Shorter than that of `run`: an untouched lake should stay nearly so.
void Probe(const Config& config, LakeFacts* facts)
{
    const auto verdict = ProbeStore([&config] { return OpenLake(config, [](const std::string&) {}); },
                                    {.writers = 8, .rounds = 3});
    if (!verdict.ok())
        facts->write_error = verdict.error();
    else if (!verdict.value().exclusive)
        facts->not_exclusive = verdict.value().sentence;
}

void LookAtLifecycle(Store& store, LakeFacts* facts)
{
    auto rules = store.LifecycleRules();
    if (rules.ok())
        facts->lifecycle_rules = std::move(rules.value());
    else
        facts->lifecycle_error = rules.error();
}

std::optional<uint64_t> FreeBytes(const std::string& folder)
{
    struct statvfs space {
    };
    if (::statvfs(folder.c_str(), &space) != 0)
        return std::nullopt;
    return static_cast<uint64_t>(space.f_bavail) * space.f_frsize;
}

bool Exists(const std::string& folder)
{
    struct stat found {
    };
    return ::stat(folder.c_str(), &found) == 0;
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
        facts.folder_exists = Exists(*facts.folder);
        if (!facts.folder_exists)
            return facts;
        facts.free_bytes = FreeBytes(*facts.folder);
    }
    LookAtTail(names.source, *store.value(), &facts);
    // Folders that only the probe needs go with it.
    const std::string probe = facts.folder.value_or("") + "/" + kProbeFolder;
    const std::string above = probe.substr(0, probe.rfind('/', probe.size() - 2));
    const bool probe_is_new = facts.folder && ::access(probe.c_str(), F_OK) != 0;
    const bool above_is_new = facts.folder && ::access(above.c_str(), F_OK) != 0;
    Probe(config, &facts);
    if (probe_is_new)
        ::rmdir(probe.c_str());
    if (above_is_new)
        ::rmdir(above.c_str());
    if (!facts.write_error)
        LookAtLifecycle(*store.value(), &facts);
    return facts;
}

std::optional<StageFacts> LookAtStage(const StageConfig& config)
{
    if (config.max_size == 0)
        return std::nullopt;
    StageFacts facts{
        config.directory, config.max_size, Exists(config.directory), {}, FreeBytes(config.directory)};
    const auto tried = Stage::Try(config);
    if (!tried.ok())
        facts.error = tried.error();
    return facts;
}

} // namespace wal2lake
