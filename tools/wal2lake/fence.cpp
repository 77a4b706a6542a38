#include "fence.h"

#include <xxhash.h>

#include "digest.h"
#include "lsn.h"

namespace wal2lake
{
namespace
{

constexpr std::string_view kPlugin = "wal2lake";

Refusal Lake(std::string sentence, RefusalKind kind = RefusalKind::kFinal)
{
    return {ExitCode::kLake, std::move(sentence), kind};
}

Refusal Source(std::string sentence, RefusalKind kind = RefusalKind::kFinal)
{
    return {ExitCode::kSource, std::move(sentence), kind};
}

std::string Quoted(std::string_view text)
{
    return "\"" + std::string(text) + "\"";
}

std::string WhereIs(const FenceNames& names, const Tail& tail)
{
    return names.lake + "/" + FormatSegmentName(tail.name);
}

std::string RecreateSlot(const FenceNames& names)
{
    if (names.pull)
        return "as a superuser drop the slot and make it anew: SELECT pg_drop_replication_slot('" +
               names.slot + "'); " + CreatePulledSlot(names);
    return "drop the slot and create it anew together with its log: wal2lake slot drop --slot " + names.slot +
           " --yes, then wal2lake slot create --source " + names.source;
}

} // namespace

std::string CreatePulledSlot(const FenceNames& names)
{
    return "SELECT pg_create_logical_replication_slot('" + names.slot + "', 'wal2lake');";
}

std::string CreatePullSource(const FenceNames& names, const std::string& role)
{
    return "SELECT wal2lake.create_pull_source('" + names.slot + "', " + role + ");";
}

uint64_t OptionsFingerprint(const PluginOptions& options)
{
    if (options.empty())
        return 0;
    std::string text;
    for (const auto& [name, value] : options)
        text += name + "=" + value + "\n";
    return XXH3_64bits(text.data(), text.size());
}

std::optional<Refusal> CheckTail(const FenceNames& names, const Tail& tail)
{
    const auto& header = tail.facts.header;
    if (header.source() != names.source)
        return Lake(WhereIs(names, tail) + " says it belongs to source " + Quoted(header.source()) +
                    ", not to " + Quoted(names.source) + "; give this source its own id or lake");
    const bool is_genesis = tail.name.start_lsn == 0;
    if (is_genesis != header.has_genesis() || (!is_genesis && header.start_lsn() != tail.name.start_lsn))
        return Lake(WhereIs(names, tail) + " begins at " + FormatLsn(header.start_lsn()) +
                    ", which its name does not say; restore the object, then run wal2lake verify");
    if (tail.name.epoch != kFirstEpoch)
        return Lake(WhereIs(names, tail) + " is in epoch " + std::to_string(tail.name.epoch) +
                    ", which this version cannot continue; use the version that wrote it");
    if (header.slot() != names.slot)
        return Lake("the log of " + Quoted(names.source) + " in " + names.lake + " was read from slot " +
                    Quoted(header.slot()) + ", not " + Quoted(names.slot) +
                    "; correct the slot's name, or give this source its own id");
    return std::nullopt;
}

std::optional<Refusal> CheckOrigin(const FenceNames& names, const Tail& before, const Tail& found)
{
    const auto& header = found.facts.header;
    const auto& mine = before.facts.header;
    const std::string where = WhereIs(names, found);
    if (header.system_id() != mine.system_id())
        return Lake(where + " was written from another server (system id " +
                    std::to_string(header.system_id()) + ", ours is " + std::to_string(mine.system_id()) +
                    "); two servers must not share a source id");
    if (header.timeline() != mine.timeline())
        return Lake("divergence: " + where + " was written on timeline " + std::to_string(header.timeline()) +
                    ", this server's log is on timeline " + std::to_string(mine.timeline()) +
                    "; stop the forwarder of the server that is not the primary");
    if (header.database_oid() != mine.database_oid())
        return Lake(where + " was written from database " + Quoted(header.database()) +
                    "; two databases must not share a source id");
    return std::nullopt;
}

std::optional<Refusal> CheckSuccessor(const FenceNames& names, const Tail& before, const Tail& found)
{
    auto refusal = CheckTail(names, found);
    if (!refusal)
        refusal = CheckOrigin(names, before, found);
    if (refusal)
        return refusal;
    const auto& header = found.facts.header;
    if (header.previous_sha256() != before.facts.sha256 || header.seq() != before.facts.header.seq() + 1)
        return Lake(WhereIs(names, found) + " does not continue " + FormatSegmentName(before.name) +
                    " as we know it; the log was changed while we ran, run wal2lake verify");
    return std::nullopt;
}

std::optional<Refusal> CheckSlot(const FenceNames& names, const SourceFacts& facts)
{
    const SlotFacts& slot = facts.slot;
    const std::string quoted = "slot " + Quoted(names.slot);
    if (!slot.exists && names.pull)
        return Source(quoted + " does not exist; create it as a superuser: " + CreatePulledSlot(names) + " " +
                      CreatePullSource(names, "'the role'"));
    if (!slot.exists)
        return Source(quoted + " does not exist; create it together with its log: wal2lake slot create" +
                      " --source " + names.source + ", or run with --create-slot");
    if (slot.type != "logical" || slot.plugin != kPlugin)
        return Source(quoted + " belongs to " +
                      (slot.type == "logical" ? "plugin " + Quoted(slot.plugin) : "physical replication") +
                      ", not to plugin \"wal2lake\"; name another slot");
    if (slot.database != facts.database)
        return Source(quoted + " belongs to database " + Quoted(slot.database) + ", the connection goes to " +
                      Quoted(facts.database) + "; set dbname=" + slot.database + " in conninfo");
    if (slot.wal_status == "lost")
        return Source("the server has removed WAL that " + quoted +
                          " still needed: what was not shipped before is lost and cannot be repaired here;"
                          " keep the log, copy the tables again under a new source id, and raise"
                          " max_slot_wal_keep_size",
                      RefusalKind::kSlotGone);
    if (slot.two_phase)
        return Source(quoted + " was created with TWO_PHASE, which is not served; " + RecreateSlot(names));
    return std::nullopt;
}

std::optional<Refusal> CheckServer(const FenceNames& names, const SourceFacts& facts, const Tail& tail)
{
    const auto& header = tail.facts.header;
    const std::string log = "the log of " + Quoted(names.source) + " in " + names.lake;
    if (header.system_id() != facts.system_id)
        return Lake(log + " was written from another server (system id " +
                    std::to_string(header.system_id()) + ", this one is " + std::to_string(facts.system_id) +
                    "); give this server its own source id or lake");
    if (header.database_oid() != facts.database_oid)
        return Lake(log + " was written from database " + Quoted(header.database()) + " (oid " +
                    std::to_string(header.database_oid()) + "), the connection goes to " +
                    Quoted(facts.database) + " (oid " + std::to_string(facts.database_oid) +
                    "); give this database its own source id");
    if (facts.timeline > header.timeline())
        return Lake("the server is on timeline " + std::to_string(facts.timeline) + ", " + log +
                    " ends on timeline " + std::to_string(header.timeline()) + " at " +
                    FormatLsn(tail.end_lsn()) +
                    ": after a failover this version does not continue a log; keep it and begin a new one"
                    " under a new source id");
    if (facts.timeline < header.timeline())
        return Lake("the server is on timeline " + std::to_string(facts.timeline) + ", " + log +
                    " is already on timeline " + std::to_string(header.timeline()) +
                    ": this server is not the primary any more; connect to the one that is");
    if (!facts.slot.exists)
        return Source(
            "slot " + Quoted(names.slot) + " does not exist any more, so the server keeps nothing for " +
                log + ", which ends at " + FormatLsn(tail.end_lsn()) +
                ", and a new slot would leave a gap: keep the log, begin a new one under a new"
                " source id" +
                (names.pull ? "" : " (wal2lake slot create --source NEW)") + ", and copy the tables again",
            RefusalKind::kSlotGone);
    auto refusal = CheckSlot(names, facts);
    if (refusal)
        return refusal;
    if (facts.slot.confirmed_flush_lsn > tail.end_lsn())
        return Lake(
            "gap: slot " + Quoted(names.slot) + " stands at " + FormatLsn(facts.slot.confirmed_flush_lsn) +
                " because somebody else read it or made it anew, or because the lake was set back; " + log +
                " ends at " + FormatLsn(tail.end_lsn()) + "; what lies between, " +
                FormatLsn(tail.end_lsn()) + ".." + FormatLsn(facts.slot.confirmed_flush_lsn) +
                ", is not in the lake and the server will not send it again: restore the missing"
                " objects if the lake lost them, otherwise copy the tables again under a new source id",
            RefusalKind::kSlotGone);
    if (facts.wal_flush_lsn < tail.end_lsn())
        return Lake("divergence: " + log + " ends at " + FormatLsn(tail.end_lsn()) +
                    ", the server's WAL only at " + FormatLsn(facts.wal_flush_lsn) +
                    "; the server was set back to an older state, so begin a new log under a new source id");
    return std::nullopt;
}

std::optional<Refusal> CheckUnusedSlot(const FenceNames& names, const SourceFacts& facts)
{
    if (facts.slot.total_txns > 0)
        return Lake("slot " + Quoted(names.slot) + " was read before (" +
                    std::to_string(facts.slot.total_txns) + " transactions), but " + names.lake +
                    " has no log of " + Quoted(names.source) + ", so what it sent is not in the lake; " +
                    RecreateSlot(names));
    if (facts.slot.confirmed_flush_lsn == 0)
        return Source("slot " + Quoted(names.slot) + " has no consistent point yet; " + RecreateSlot(names));
    return std::nullopt;
}

namespace
{

// Of the functions of a source that is pulled.
std::optional<Refusal> ClassifyPullError(const FenceNames& names, std::string_view sqlstate,
                                         const std::string& said)
{
    // The schema or a function is missing, or not this role's to call.
    if (sqlstate == "3F000" || sqlstate == "42883" || sqlstate == "42501")
        return Source(
            said + "; let the role read the slot, as a superuser: " + CreatePullSource(names, "'the role'"),
            RefusalKind::kPassing);
    if (sqlstate == "53400" && said.find("temp_file_limit") != std::string::npos)
        return Source(
            said + "; an answer takes about twice its size of temporary files: raise temp_file_limit of"
                   " the role, lower source.poll_wal unless one transaction alone is too large, or"
                   " use mode = \"stream\"",
            RefusalKind::kPassing);
    if (sqlstate == "W2L02")
        return Source(said +
                          "; it was made anew since its log was begun: keep the log and begin a new one under"
                          " a new source id",
                      RefusalKind::kSlotGone);
    if (sqlstate == "42704")
        return Source(said + "; create it as a superuser: " + CreatePulledSlot(names),
                      RefusalKind::kSlotGone);
    return std::nullopt;
}

} // namespace

std::optional<Refusal> ClassifySourceError(const FenceNames& names, std::string_view sqlstate,
                                           std::string_view text)
{
    const std::string said = "the server refused: " + std::string(text);
    const std::string_view kind = sqlstate.substr(0, 2);
    if (sqlstate == "42501") {
        if (text.find("output_plugin_libraries") != std::string_view::npos ||
            text.find("output plugin") != std::string_view::npos)
            return Source(said + "; add wal2lake to output_plugin_libraries in postgresql.conf and reload",
                          RefusalKind::kPassing);
        if (!names.pull)
            return Source(said + "; grant the role REPLICATION: ALTER ROLE ... REPLICATION",
                          RefusalKind::kPassing);
    }
    // The slot was moved, or the WAL is shorter: connecting anew, lake and server are
    // compared, and it is known whether another forwarder did it.
    if (sqlstate == "W2L01" || sqlstate == "W2L03")
        return std::nullopt;
    if (names.pull)
        if (auto refusal = ClassifyPullError(names, sqlstate, said))
            return refusal;
    if (sqlstate == "42704")
        return Source(said + "; create the slot together with its log: wal2lake slot create --source " +
                          names.source,
                      RefusalKind::kSlotGone);
    if (kind == "28")
        return Source(said + "; check user, password file and pg_hba.conf (the database must be named there,"
                             " the keyword replication does not cover it)",
                      RefusalKind::kPassing);
    if (sqlstate == "3D000")
        return Source(said + "; correct dbname in conninfo");
    if (sqlstate == "58P01")
        return Source(said + "; install the plugin on the server: make install", RefusalKind::kPassing);
    // 55006: somebody reads the slot, most often our own session that the server
    // has not missed yet.
    if (sqlstate.empty() || sqlstate == "55006" || kind == "08" || kind == "53" || kind == "57" ||
        kind == "58" || kind == "XX")
        return std::nullopt;
    return Source(said);
}

} // namespace wal2lake
