#include "server_defects.h"

#include <array>

namespace wal2lake
{
namespace
{

constexpr int kFirstMajor = 15;
constexpr int kLastMajor = 18;

struct Defect {
    const char* what;
    // The minors that mended it in 15, 16, 17 and 18; 0 where the major never had it.
    std::array<int, 4> mended;
    // The minors that brought it, where that was not the first.
    std::array<int, 4> began;
};

// Minors of one row were released on one day; source: the release notes of each.
constexpr Defect kDefects[] = {
    // Release notes 15.10, 16.6, 17.2: restart_lsn could move backwards.
    {"a slot can need WAL that is removed already", {10, 6, 2, 0}, {}},
    // Release notes 15.13, 16.9, 17.5: catalog changes were not distributed to open transactions.
    {"rows written beside ALTER TABLE or a label change can be lost or decoded wrongly", {13, 9, 5, 0}, {}},
    // Release notes 15.14, 16.10, 17.6: of the change of 15.13, 16.9, 17.5.
    {"many catalog changes exhaust the memory of decoding", {14, 10, 6, 0}, {13, 9, 5, 0}},
    // Release notes 15.8, 16.4: a snapshot was restored at a wrong point.
    {"a slot can start inside a transaction", {8, 4, 0, 0}, {}},
    // Release notes 15.14, 16.10, 17.6.
    {"decoding can hang on a torn record after a crash", {14, 10, 6, 0}, {}},
    // Release notes 15.15, 16.11, 17.7, 18.1.
    {"a full disk can leave a slot that cannot be saved any more", {15, 11, 7, 1}, {}},
    // Release notes 15.16, 16.12, 17.8, 18.2.
    {"a checkpoint can invalidate a slot that is being created", {16, 12, 8, 2}, {}},
    // Release notes 15.11, 16.7, 17.3.
    {"decoding leaks memory", {11, 7, 3, 0}, {}},
};

// CVE-2026-6471, release notes 15.19, 16.15, 17.11, 18.6.
constexpr std::array<int, 4> kAllowList = {19, 15, 11, 6};

bool IsListed(int version)
{
    const int major = version / 10000;
    return major >= kFirstMajor && major <= kLastMajor;
}

size_t IndexOf(int version)
{
    return static_cast<size_t>(version / 10000 - kFirstMajor);
}

} // namespace

std::string VersionText(int version)
{
    return std::to_string(version / 10000) + "." + std::to_string(version % 10000);
}

std::vector<std::string> ServerDefects(int version)
{
    std::vector<std::string> found;
    if (!IsListed(version))
        return found;
    const size_t major = IndexOf(version);
    const int minor = version % 10000;
    for (const Defect& defect : kDefects)
        if (minor < defect.mended[major] && minor >= defect.began[major])
            found.push_back(std::string(defect.what) + " (mended in " + std::to_string(version / 10000) +
                            "." + std::to_string(defect.mended[major]) + ")");
    return found;
}

std::string RecommendedMinor(int version)
{
    if (!IsListed(version))
        return "";
    return std::to_string(version / 10000) + "." + std::to_string(kAllowList[IndexOf(version)]);
}

bool HasAllowList(int version)
{
    if (!IsListed(version))
        return version / 10000 > kLastMajor;
    return version % 10000 >= kAllowList[IndexOf(version)];
}

} // namespace wal2lake
