#include "slot.h"

#include <algorithm>
#include <cstdio>

#include "clock.h"
#include "failpoint.h"
#include "lsn.h"
#include "segment_reader.h"
#include "store/probe.h"

namespace wal2lake
{
namespace
{

Refusal FromStore(const Error& error)
{
    return {error.kind == ErrorKind::kInvalid ? ExitCode::kUsage : ExitCode::kStore, error.text};
}

Refusal FromSource(const FenceNames& names, const SourceError& error)
{
    const auto refusal = ClassifySourceError(names, error.sqlstate, error.text);
    return refusal ? *refusal : Refusal{ExitCode::kSource, "cannot use the server: " + error.text};
}

ExitCode Say(const Refusal& refusal)
{
    std::fprintf(stderr, "wal2lake: %s\n", refusal.sentence.c_str());
    return refusal.code;
}

// Somebody began the log after we had looked. Nothing where it is the log of our
// slot; otherwise why it cannot be ours.
std::optional<Refusal> CheckBegun(const FenceNames& names, const SegmentName& genesis, Store& store)
{
    const auto bytes = GetAll(store, FormatSegmentName(genesis));
    if (!bytes.ok())
        return FromStore(bytes.error());
    auto checked = CheckSegment(bytes.value());
    if (!checked.ok())
        return Refusal{ExitCode::kLake, names.lake + "/" + FormatSegmentName(genesis) +
                                            " is damaged: " + checked.error().text +
                                            "; restore it from a copy, then run wal2lake verify"};
    return CheckTail(names, Tail{genesis, std::move(checked.value())});
}

} // namespace

MachineConfig MakeMachineConfig(const Config& config, const SourceConfig& source)
{
    MachineConfig made;
    made.names = {source.id, source.slot, config.lake_url, source.pull};
    made.options = source.options;
    made.max_size = config.max_size;
    made.max_age_ms = config.max_age_ms;
    made.idle_age_ms = config.idle_age_ms;
    made.compression_level = config.compression_level;
    made.staged = config.stage.max_size > 0 && !source.options.contains("streaming") && !source.pull;
    // Each answer is decoded from where the slot keeps WAL, so it must not fall far behind.
    if (source.pull)
        made.idle_wal_bytes = std::min(made.idle_wal_bytes, source.poll.max_wal_bytes);
    made.memory_budget = config.memory_budget;
    made.writer_version = WAL2LAKE_VERSION;
    return made;
}

std::optional<Refusal> BeginLog(const MachineConfig& config, const std::string& conninfo,
                                PostgresSource* server, Store& store, bool* began, std::string* note)
{
    *began = false;
    const FenceNames& names = config.names;
    const auto tail = FindTail(store, names.source);
    if (!tail.ok())
        return FromStore(tail.error());
    if (tail.value())
        return std::nullopt;

    SourceFacts facts;
    if (!server->Connect(conninfo) || !server->ReadFacts(names.slot, &facts))
        return FromSource(names, server->error());
    const bool created = !facts.slot.exists && !names.pull;
    uint64_t consistent_point = 0;
    if (created &&
        (!server->CreateSlot(names.slot, &consistent_point) || !server->ReadFacts(names.slot, &facts)))
        return FromSource(names, server->error());
    if (created)
        failpoint::Pass("slot.created");
    auto refusal = CheckSlot(names, facts);
    if (!refusal)
        refusal = CheckUnusedSlot(names, facts);
    if (!refusal) {
        const SegmentName genesis{names.source, kFirstEpoch, 0};
        failpoint::Pass("genesis.before");
        const auto put = store.PutIfAbsent(FormatSegmentName(genesis), MakeGenesis(config, facts).bytes);
        failpoint::Pass("genesis.after");
        *began = put.ok();
        if (!put.ok())
            refusal = put.error().kind == ErrorKind::kExists ? CheckBegun(names, genesis, store)
                                                             : FromStore(put.error());
    }
    if (refusal) {
        // A slot without its log would only keep WAL from being removed.
        if (created && server->DropSlot(names.slot))
            refusal->sentence += "; the slot that was just created is dropped again";
        return refusal;
    }
    if (!*began)
        return std::nullopt;
    *note = std::string(created ? "created slot \"" : "slot \"") + names.slot +
            (created ? "\" in database " : "\" was unused, in database ") + facts.database +
            " and began the log of " + names.source + " in " + names.lake + " at " +
            FormatLsn(facts.slot.confirmed_flush_lsn);
    return std::nullopt;
}

ExitCode RunSlotCreate(const Settings& settings)
{
    auto store = OpenLake(settings.config);
    if (!store.ok())
        return Say(FromStore(store.error()));
    const auto verdict = ProbeStoreDaily(
        [&settings] { return OpenLake(settings.config, [](const std::string&) {}); }, UnixUs());
    if (!verdict.ok())
        return Say(FromStore(verdict.error()));
    if (!verdict.value().exclusive)
        return Say({ExitCode::kStore, NotExclusive(settings.config.lake_url, verdict.value())});
    bool began = false;
    std::string note;
    const auto server = MakeSource(settings.source->pulled());
    const auto refusal = BeginLog(MakeMachineConfig(settings.config, *settings.source),
                                  settings.source->conninfo, server.get(), *store.value(), &began, &note);
    if (refusal)
        return Say(*refusal);
    if (!began)
        return Say({ExitCode::kLake, settings.config.lake_url + " already has a log of \"" +
                                         settings.source->id +
                                         "\"; a new slot cannot continue it without a gap: choose a new"
                                         " source id, or run with the slot the log belongs to"});
    std::printf("%s\n", note.c_str());
    return ExitCode::kOk;
}

ExitCode RunSlotDrop(const Settings& settings, bool confirmed)
{
    const FenceNames names{settings.source->id, settings.source->slot, settings.config.lake_url,
                           settings.source->pull};
    if (!confirmed)
        return Say({ExitCode::kUsage, "dropping slot \"" + names.slot +
                                          "\" ends its log for good: what was not shipped is not shipped any"
                                          " more; repeat with --yes"});
    if (settings.source->pull)
        return Say({ExitCode::kUsage, "a role that pulls cannot drop a slot; as a superuser: SELECT"
                                      " wal2lake.drop_pull_source('" +
                                          names.slot + "'); SELECT pg_drop_replication_slot('" + names.slot +
                                          "');"});
    PostgresSource source;
    SourceFacts facts;
    if (!source.Connect(settings.source->conninfo) || !source.ReadFacts(names.slot, &facts))
        return Say(FromSource(names, source.error()));
    if (!facts.slot.exists)
        return Say({ExitCode::kSource, "slot \"" + names.slot + "\" does not exist"});
    if (facts.slot.plugin != "wal2lake")
        return Say(
            {ExitCode::kSource, "slot \"" + names.slot + "\" is not one of wal2lake and is left alone"});
    if (!source.DropSlot(names.slot))
        return Say(FromSource(names, source.error()));
    std::printf("dropped slot \"%s\"\n", names.slot.c_str());
    return ExitCode::kOk;
}

ExitCode RunSlotList(const Settings& settings)
{
    const FenceNames names{settings.source->id, settings.source->slot, settings.config.lake_url,
                           settings.source->pull};
    PostgresSource source;
    std::vector<SlotRow> slots;
    if (!source.Connect(settings.source->conninfo, PostgresSource::Protocol::kSql) ||
        !source.ListSlots(&slots))
        return Say(FromSource(names, source.error()));
    std::printf("%-24s %-16s %-8s %-14s %-14s %s\n", "slot", "database", "active", "restart_lsn",
                "confirmed_lsn", "wal_status");
    for (const SlotRow& slot : slots)
        std::printf("%-24s %-16s %-8s %-14s %-14s %s\n", slot.name.c_str(), slot.database.c_str(),
                    slot.active ? "yes" : "no", slot.restart_lsn.c_str(), slot.confirmed_flush_lsn.c_str(),
                    slot.wal_status.c_str());
    return ExitCode::kOk;
}

} // namespace wal2lake
