// A folder that goes with the test.
#pragma once

#include <filesystem>
#include <string>

#include <stdlib.h>

namespace wal2lake
{

class Folder
{
  public:
    Folder()
    {
        char path[] = "/tmp/wal2lake-store-XXXXXX";
        path_ = ::mkdtemp(path);
    }
    ~Folder() { std::filesystem::remove_all(path_); }

    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

} // namespace wal2lake
