// The time by which requests are signed: ours, until a store says that it is wrong.
#pragma once

#include <cstdint>

#include "store/http.h"
#include "store/store.h"

namespace wal2lake
{

class StoreClock
{
  public:
    // `warn` may be empty.
    explicit StoreClock(StoreWarning warn) : warn_(std::move(warn)) {}

    // Unix seconds.
    int64_t Now() const;
    // Goes by the Date of an answer from now on, and warns; false where that is none, or
    // differs by less than `least_s` from what we went by.
    bool Adopt(const HttpResponse& response, int64_t least_s);

  private:
    StoreWarning warn_;
    // The store's clock is so far ahead of ours.
    int64_t skew_s_ = 0;
};

} // namespace wal2lake
