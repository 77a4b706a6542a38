// Files that the policy commands read and write whole.
#pragma once

#include <cstddef>
#include <string>

#include "result.h"

namespace wal2lake
{

// Appends what is left of an open file, and stops where `text` has `enough` bytes or some more. 0, or errno.
int ReadAll(int file, size_t enough, std::string* text);

// All of a file, a pipe too.
Result<std::string> ReadFile(const std::string& path);

// Replaces a file, or makes it with the folders it lies in: whenever it ends, either the old file is there or
// the new one, and nothing else is left. Follows a link to the file that it leads to. What is no file, such as
// a pipe, is written to, and so is standard output, by whatever name and wherever it leads.
Result<Done> WriteFile(const std::string& path, const std::string& text);

// True where something is at the path, be it a link that leads nowhere.
bool IsThere(const std::string& path);

} // namespace wal2lake
