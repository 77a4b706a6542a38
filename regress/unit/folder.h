// A folder that goes with the test.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <stdlib.h>

namespace wal2lake
{

class Folder
{
  public:
    Folder()
    {
        char path[] = "/tmp/wal2lake-test-XXXXXX";
        path_ = ::mkdtemp(path);
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    const std::string& path() const { return path_; }

    // Folders above it are made.
    void Write(const std::string& name, const std::string& text) const
    {
        const std::filesystem::path path = std::filesystem::path(path_) / name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path, std::ios::binary) << text;
    }

  private:
    std::string path_;
};

} // namespace wal2lake
