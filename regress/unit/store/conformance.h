// What every store must do. A program that lists conformance.cpp runs the suite over
// the kinds that it instantiates StoreConformance with.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include "store/store.h"

namespace wal2lake
{

// A lake of its own for one test; goes with what is in it.
class StorePlace
{
  public:
    virtual ~StorePlace() = default;
    // One more store of the lake.
    virtual std::unique_ptr<Store> Open() = 0;
};

struct StoreKind {
    std::string name;
    std::function<std::unique_ptr<StorePlace>()> make;
};

inline void PrintTo(const StoreKind& kind, std::ostream* out)
{
    *out << kind.name;
}

class StoreConformance : public testing::TestWithParam<StoreKind>
{
  protected:
    std::unique_ptr<StorePlace> place_ = GetParam().make();
    std::unique_ptr<Store> store_ = place_->Open();
};

inline std::string NameOfKind(const testing::TestParamInfo<StoreKind>& kind)
{
    return kind.param.name;
}

} // namespace wal2lake
