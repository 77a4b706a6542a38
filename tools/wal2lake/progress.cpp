#include "progress.h"

#include <cstdio>
#include <utility>

#include <unistd.h>

#include "clock.h"
#include "printable.h"

namespace wal2lake
{
namespace
{

// Short runs show nothing.
constexpr int64_t kPauseMs = 200;

} // namespace

Progress::Progress(const std::string& subject, std::string what, uint64_t of)
    : subject_(Printable(subject)), what_(std::move(what)), of_(of), next_ms_(NowMs() + kPauseMs),
      terminal_(::isatty(STDERR_FILENO) == 1)
{
}

Progress::~Progress()
{
    TakeAway();
}

void Progress::TakeAway()
{
    if (shown_)
        std::fprintf(stderr, "\r\x1b[K");
    shown_ = false;
}

void Progress::Say(const std::string& text)
{
    TakeAway();
    std::fprintf(stderr, "%s: %s\n", subject_.c_str(), Printable(text).c_str());
}

void Progress::Count()
{
    count_++;
    if (!terminal_ || NowMs() < next_ms_)
        return;
    next_ms_ = NowMs() + kPauseMs;
    shown_ = true;
    const std::string total = of_ == 0 ? "" : " of " + std::to_string(of_);
    std::fprintf(stderr, "\r%s: %llu%s %s\x1b[K", subject_.c_str(), static_cast<unsigned long long>(count_),
                 total.c_str(), what_.c_str());
    std::fflush(stderr);
}

} // namespace wal2lake
