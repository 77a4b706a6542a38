#include "doctor_codes.h"

#include <array>

namespace wal2lake
{
namespace
{

using enum Severity;

// In the order of the enumeration, which FactsOf relies on and a test checks.
constexpr auto kCodes = std::to_array<CodeFacts>({
    {Code::kConfigInvalid, "config-invalid", kError, "the configuration or the options cannot be used"},
    {Code::kSameSlotTwice, "same-slot-twice", kError, "two sources read the same slot"},
    {Code::kCannotConnect, "cannot-connect", kError, "no server answers there"},
    {Code::kAccessRefused, "access-refused", kError, "the server does not let the role in"},
    {Code::kRoleMissing, "role-missing", kError, "the role does not exist"},
    {Code::kDatabaseMissing, "database-missing", kError, "the database does not exist"},
    {Code::kReplicationRefused, "replication-refused", kError,
     "SQL works and the replication protocol does not"},
    {Code::kServerTooOld, "server-too-old", kError, "the server is older than PostgreSQL 15"},
    {Code::kServerDefects, "server-defects", kWarning,
     "the minor version has known defects of logical decoding"},
    {Code::kServerWithoutAllowList, "server-without-allow-list", kWarning,
     "any REPLICATION role can load any library (CVE-2026-6471)"},
    {Code::kServerIsStandby, "server-is-standby", kError, "the server is in recovery"},
    {Code::kPluginNotInstalled, "plugin-not-installed", kError, "the server has no files of the extension"},
    {Code::kPolicyNotPreloaded, "policy-not-preloaded", kError,
     "wal2lake_policy is not in shared_preload_libraries"},
    {Code::kWalLevel, "wal-level", kError, "wal_level is not logical"},
    {Code::kSlotsExhausted, "slots-exhausted", kError, "all of max_replication_slots are taken"},
    {Code::kSendersExhausted, "senders-exhausted", kError, "all of max_wal_senders are taken"},
    {Code::kWalKeepUnlimited, "wal-keep-unlimited", kInfo, "a slot nobody reads can fill the server's disk"},
    {Code::kWalKeepSmall, "wal-keep-small", kWarning, "a short pause already loses the slot"},
    {Code::kIdleSlotTimeout, "idle-slot-timeout", kWarning,
     "the server drops slots that nobody reads for a while"},
    {Code::kSenderTimeoutShort, "sender-timeout-short", kWarning, "wal_sender_timeout is below 10 s"},
    {Code::kDecodingMemorySmall, "decoding-memory-small", kInfo, "logical_decoding_work_mem is below 64 MB"},
    {Code::kRoleNotReplication, "role-not-replication", kError, "the role lacks REPLICATION"},
    {Code::kRoleReplicates, "role-replicates", kWarning,
     "the role has REPLICATION, which a source that is pulled does without"},
    {Code::kRoleSuperuser, "role-superuser", kWarning, "the role is a superuser, which is not needed"},
    {Code::kRoleReadsTables, "role-reads-tables", kInfo, "the role may read tables, which is not needed"},
    {Code::kSettingsHidden, "settings-hidden", kInfo,
     "the role cannot see some settings, so they were not checked"},
    {Code::kNotChecked, "not-checked", kWarning, "something could not be looked at"},
    {Code::kAllowListMissing, "allow-list-missing", kError,
     "output_plugin_libraries does not let the role use wal2lake"},
    {Code::kAllowListWide, "allow-list-wide", kInfo,
     "the role can also use plugins that send values in clear"},
    {Code::kSlotMissing, "slot-missing", kError, "the slot has not been created"},
    {Code::kSlotGone, "slot-gone", kError, "the slot of an existing log does not exist any more"},
    {Code::kSlotOtherPlugin, "slot-other-plugin", kError, "the slot belongs to another plugin"},
    {Code::kSlotOtherDatabase, "slot-other-database", kError, "the slot belongs to another database"},
    {Code::kSlotTwoPhase, "slot-two-phase", kError, "the slot was created with TWO_PHASE"},
    {Code::kSlotLost, "slot-lost", kError, "the server removed WAL that the slot still needed"},
    {Code::kSlotUnreserved, "slot-unreserved", kError,
     "the next checkpoint may remove WAL that the slot needs"},
    {Code::kSlotBehind, "slot-behind", kWarning, "the slot keeps much WAL"},
    {Code::kSlotActive, "slot-active", kInfo, "somebody reads the slot now"},
    {Code::kSlotUsedWithoutLog, "slot-used-without-log", kError,
     "the slot was read before, and the lake has no log of it"},
    {Code::kPullFunctionsMissing, "pull-functions-missing", kError,
     "the role cannot call the functions that read the slot of a source that is pulled"},
    {Code::kDecodingRefused, "decoding-refused", kError, "the plugin refuses to start on the slot"},
    {Code::kKeyMissing, "key-missing", kError, "labels ask for tokens and there is no key file"},
    {Code::kExtensionMissing, "extension-missing", kWarning, "CREATE EXTENSION was not run in the database"},
    {Code::kExtensionVersion, "extension-version", kWarning,
     "extension, its files and the command are of different versions"},
    {Code::kDdlTriggerOff, "ddl-trigger-off", kWarning,
     "an event trigger of the extension is disabled, so DDL is not told"},
    {Code::kMessagesOpen, "messages-open", kInfo, "logical messages leave the server in clear"},
    {Code::kTablesUnlabelled, "tables-unlabelled", kWarning, "tables without any label, which are not sent"},
    {Code::kColumnsUnlabelled, "columns-unlabelled", kWarning,
     "columns without label in tables that are sent"},
    {Code::kIdentityNothing, "identity-nothing", kWarning,
     "REPLICA IDENTITY NOTHING: updates and deletes name no row"},
    {Code::kIdentityMissing, "identity-missing", kWarning, "no primary key: updates and deletes name no row"},
    {Code::kIdentityDeferrable, "identity-deferrable", kWarning,
     "a deferrable primary key identifies no row in WAL"},
    {Code::kIdentityIndexGone, "identity-index-gone", kWarning,
     "the index that REPLICA IDENTITY USING INDEX named is gone"},
    {Code::kPolicyError, "policy-error", kError, "an error that wal2lake.check() found in the policy"},
    {Code::kPolicyWarning, "policy-warning", kWarning, "a warning of wal2lake.check()"},
    {Code::kPolicyInfo, "policy-info", kInfo, "what wal2lake.check() has to tell a reviewer"},
    {Code::kPolicyNotReviewed, "policy-not-reviewed", kInfo,
     "the role may not call wal2lake.check(), so the policy was not reviewed"},
    {Code::kLakeMissing, "lake-missing", kWarning, "the lake's folder does not exist"},
    {Code::kLakeNotWritable, "lake-not-writable", kError, "the lake cannot be written"},
    {Code::kLakeNotExclusive, "lake-not-exclusive", kError, "the store does not keep create-if-absent"},
    {Code::kDiskSpaceLow, "disk-space-low", kWarning,
     "the lake's file system has room for fewer than 16 segments"},
    {Code::kLifecycleRule, "lifecycle-rule", kError,
     "a rule of the bucket removes or archives objects of the log"},
    {Code::kLifecycleRuleForSome, "lifecycle-rule-for-some", kWarning,
     "a rule of the bucket may remove or archive objects of the log, by a tag or the like"},
    {Code::kLifecycleHidden, "lifecycle-hidden", kInfo,
     "the bucket's lifecycle rules cannot be seen, so they were not checked"},
    {Code::kStageNotWritable, "stage-not-writable", kWarning,
     "transactions in progress cannot be kept in stage.directory"},
    {Code::kStageSpaceLow, "stage-space-low", kInfo,
     "the file system of stage.directory has less room than stage.max_size"},
    {Code::kLogDamaged, "log-damaged", kError,
     "the last object of the log or its trim mark cannot be read or is damaged"},
    {Code::kLogOfAnotherSource, "log-of-another-source", kError,
     "the log was written for another source or slot"},
    {Code::kLogOfAnotherServer, "log-of-another-server", kError, "the log was written from another server"},
    {Code::kLogOfAnotherDatabase, "log-of-another-database", kError,
     "the log was written from another database"},
    {Code::kLogTimeline, "log-timeline", kError, "server and log are on different timelines"},
    {Code::kLogGap, "log-gap", kError, "the slot is ahead of the log"},
    {Code::kLogDivergence, "log-divergence", kError, "the log is ahead of the server's WAL"},
    {Code::kClockSkew, "clock-skew", kWarning, "the clocks of server and host differ by more than 5 s"},
});

} // namespace

std::span<const CodeFacts> AllCodes()
{
    return kCodes;
}

const CodeFacts& FactsOf(Code code)
{
    return AllCodes()[static_cast<size_t>(code)];
}

std::string_view NameOf(Severity severity)
{
    switch (severity) {
    case Severity::kError:
        return "error";
    case Severity::kWarning:
        return "warning";
    case Severity::kInfo:
        break;
    }
    return "info";
}

} // namespace wal2lake
