// Which minor versions of PostgreSQL have defects that hurt logical decoding.
// Used by doctor. No I/O.
#pragma once

#include <string>
#include <vector>

namespace wal2lake
{

// "15.20" of 150020.
std::string VersionText(int version);

// The defects of a version that a later minor mends, worst first, each as
// "what happens (mended in 15.14)". Empty for majors that are not listed.
std::vector<std::string> ServerDefects(int version);

// The minor from which on nothing above is open, such as "15.19"; empty for
// majors that are not listed.
std::string RecommendedMinor(int version);

// Whether the version knows output_plugin_libraries.
bool HasAllowList(int version);

} // namespace wal2lake
