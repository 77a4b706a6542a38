// What `run` answers to /metrics, /healthz and /livez (docs/operations.md): a
// function of the board and the time. The only file behind it includes the
// library that writes Prometheus' format.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "endpoint.h"
#include "source_status.h"

namespace wal2lake
{

struct MetricsContext {
    int64_t now_ms = 0;
    int64_t now_us = 0;
    // When the process began, Unix time.
    int64_t started_us = 0;
    // slo.freshness.
    int64_t freshness_ms = 0;
};

HttpAnswer AnswerMonitoring(const std::string& path, const std::vector<BoardEntry>& sources,
                            const MetricsContext& context);

} // namespace wal2lake
