// The findings that `wal2lake doctor` knows. Names and severities are an API
// (docs/doctor.md); a code is never given another meaning.
#pragma once

#include <span>
#include <string_view>

namespace wal2lake
{

enum class Severity { kError, kWarning, kInfo };

enum class Code {
    kConfigInvalid,
    kSameSlotTwice,
    kCannotConnect,
    kAccessRefused,
    kRoleMissing,
    kDatabaseMissing,
    kReplicationRefused,
    kServerTooOld,
    kServerDefects,
    kServerWithoutAllowList,
    kServerIsStandby,
    kPluginNotInstalled,
    kPolicyNotPreloaded,
    kWalLevel,
    kSlotsExhausted,
    kSendersExhausted,
    kWalKeepUnlimited,
    kWalKeepSmall,
    kIdleSlotTimeout,
    kSenderTimeoutShort,
    kDecodingMemorySmall,
    kRoleNotReplication,
    kRoleReplicates,
    kRoleSuperuser,
    kRoleReadsTables,
    kSettingsHidden,
    kNotChecked,
    kAllowListMissing,
    kAllowListWide,
    kSlotMissing,
    kSlotGone,
    kSlotOtherPlugin,
    kSlotOtherDatabase,
    kSlotTwoPhase,
    kSlotLost,
    kSlotUnreserved,
    kSlotBehind,
    kSlotActive,
    kSlotUsedWithoutLog,
    kPullFunctionsMissing,
    kDecodingRefused,
    kKeyMissing,
    kExtensionMissing,
    kExtensionVersion,
    kDdlTriggerOff,
    kMessagesOpen,
    kTablesUnlabelled,
    kColumnsUnlabelled,
    kIdentityNothing,
    kIdentityMissing,
    kIdentityDeferrable,
    kIdentityIndexGone,
    kPolicyError,
    kPolicyWarning,
    kPolicyInfo,
    kPolicyNotReviewed,
    kLakeMissing,
    kLakeNotWritable,
    kLakeNotExclusive,
    kDiskSpaceLow,
    kLifecycleRule,
    kLifecycleRuleForSome,
    kLifecycleHidden,
    kStageNotWritable,
    kStageSpaceLow,
    kLogDamaged,
    kLogOfAnotherSource,
    kLogOfAnotherServer,
    kLogOfAnotherDatabase,
    kLogTimeline,
    kLogGap,
    kLogDivergence,
    kClockSkew,
};

struct CodeFacts {
    Code code;
    std::string_view name;
    Severity severity;
    // What it means, in one line.
    std::string_view meaning;
};

const CodeFacts& FactsOf(Code code);
std::span<const CodeFacts> AllCodes();
std::string_view NameOf(Severity severity);

} // namespace wal2lake
