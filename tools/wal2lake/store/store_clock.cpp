#include "store/store_clock.h"

#include <cstdlib>

#include "clock.h"

namespace wal2lake
{
namespace
{

int64_t OurTime()
{
    return UnixUs() / 1'000'000;
}

} // namespace

int64_t StoreClock::Now() const
{
    return OurTime() + skew_s_;
}

bool StoreClock::Adopt(const HttpResponse& response, int64_t least_s)
{
    const auto store_s = ParseHttpDate(response.header("date"));
    if (!store_s)
        return false;
    const int64_t skew_s = *store_s - OurTime();
    if (std::abs(skew_s - skew_s_) < least_s)
        return false;
    skew_s_ = skew_s;
    if (warn_)
        warn_("the clock of this host is " + std::to_string(std::abs(skew_s)) + " s " +
              (skew_s > 0 ? "behind" : "ahead of") +
              " that of the store, whose time is used to sign; set the clock");
    return true;
}

} // namespace wal2lake
