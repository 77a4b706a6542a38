// The suite over the store that WAL2LAKE_TEST_STORE names, such as
// s3://bucket/prefix, with the environment of the AWS tools. With WAL2LAKE_TEST_PATH_STYLE
// (true or false) the bucket is in the path or in the host's name, as lake.path_style has
// it. Each test works under a prefix of its own and removes what it wrote.
#include "conformance.h"

#include <atomic>
#include <cstdlib>
#include <string_view>

#include <unistd.h>

#include "clock.h"

namespace wal2lake
{

// Without a store to test there are no tests, which is no failure.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreConformance);

namespace
{

const char* UrlOfTest()
{
    return std::getenv("WAL2LAKE_TEST_STORE");
}

StoreOptions OptionsOfTest()
{
    StoreOptions options;
    if (const char* path_style = std::getenv("WAL2LAKE_TEST_PATH_STYLE"))
        options.path_style = std::string_view(path_style) == "true";
    return options;
}

class UrlPlace : public StorePlace
{
  public:
    UrlPlace()
    {
        static std::atomic<int> number = 0;
        url_ = std::string(UrlOfTest()) + "/conformance-" + std::to_string(UnixUs()) + "-" +
               std::to_string(::getpid()) + "-" + std::to_string(number++);
    }

    ~UrlPlace() override
    {
        try {
            RemoveAll();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "%s\n", error.what());
        }
    }

    std::unique_ptr<Store> Open() override
    {
        auto store = OpenStore(url_, OptionsOfTest());
        if (!store.ok()) {
            std::fprintf(stderr, "%s\n", store.error().text.c_str());
            std::abort();
        }
        return std::move(store.value());
    }

  private:
    void RemoveAll()
    {
        const auto store = Open();
        for (;;) {
            const auto page = store->List("", "", 1000);
            if (!page.ok() || page.value().names.empty())
                return;
            for (const std::string& name : page.value().names)
                if (!store->Delete(name).ok())
                    return;
        }
    }

    std::string url_;
};

INSTANTIATE_TEST_SUITE_P(
    , StoreConformance,
    testing::ValuesIn(UrlOfTest() == nullptr
                          ? std::vector<StoreKind>{}
                          : std::vector<StoreKind>{{"Url", [] { return std::make_unique<UrlPlace>(); }}}),
    NameOfKind);

} // namespace
} // namespace wal2lake

int main(int argc, char** argv)
{
    testing::InitGoogleTest(&argc, argv);
    if (wal2lake::UrlOfTest() == nullptr) {
        std::puts("skipped: WAL2LAKE_TEST_STORE names no store");
        return 0;
    }
    return RUN_ALL_TESTS();
}
