// What a bucket's lifecycle configuration does to the objects of a lake, as S3 and as
// Google's XML API write it. No I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "result.h"
#include "store/http.h"
#include "store/s3_reply.h"
#include "store/store.h"

namespace wal2lake
{

// The rules that can hurt a log: enabled ones that remove current objects, or move them
// to a class from which they must be restored first. Their prefixes are whole keys.
// Absent where `body` is no lifecycle configuration.
std::optional<std::vector<LifecycleRule>> ReadLifecycle(std::string_view body);

// Those that may meet keys that begin with `prefix`, with the prefix taken off.
std::vector<LifecycleRule> RulesBelow(std::vector<LifecycleRule> rules, const std::string& prefix);

// What an answer to the question for them means. A bucket that has no configuration has
// no rules; whoever may not ask is told which permission that takes.
Result<std::vector<LifecycleRule>> LifecycleAnswered(const S3Call& call, const HttpResponse& response);

} // namespace wal2lake
