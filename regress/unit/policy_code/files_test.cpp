// Writing a file loses nobody's file, and leaves nothing beside it.
#include "policy_code/files.h"

#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../folder.h"

namespace wal2lake
{
namespace
{

namespace fs = std::filesystem;

std::set<std::string> NamesIn(const std::string& folder)
{
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder))
        names.insert(entry.path().filename().string());
    return names;
}

std::string Content(const std::string& path)
{
    const auto text = ReadFile(path);
    return text.ok() ? text.value() : text.error().text;
}

TEST(PolicyFiles, AreMadeAndReplaced)
{
    const Folder folder;
    const std::string path = folder.path() + "/a/b/c.yml";
    ASSERT_TRUE(WriteFile(path, "one").ok());
    EXPECT_EQ(Content(path), "one");
    ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
    ASSERT_TRUE(WriteFile(path, "two").ok());
    EXPECT_EQ(Content(path), "two");
    struct stat facts = {};
    ASSERT_EQ(::stat(path.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 07777U, 0600U) << "who may read it is not changed";
    EXPECT_EQ(NamesIn(folder.path() + "/a/b"), std::set<std::string>{"c.yml"});
}

TEST(PolicyFiles, NobodysFileIsFollowedOrTaken)
{
    const Folder folder;
    folder.Write("victim", "mine");
    const std::string path = folder.path() + "/t.yml";
    fs::create_symlink(folder.path() + "/victim", path + ".new");
    ASSERT_TRUE(WriteFile(path, "text").ok());
    EXPECT_EQ(Content(folder.path() + "/victim"), "mine");
    EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(path)));
    EXPECT_EQ(NamesIn(folder.path()), (std::set<std::string>{"victim", "t.yml", "t.yml.new"}));
}

TEST(PolicyFiles, ALinkStaysOne)
{
    const Folder folder;
    folder.Write("shared/t.yml", "old");
    const std::string link = folder.path() + "/t.yml";
    fs::create_symlink("shared/t.yml", link);
    ASSERT_TRUE(WriteFile(link, "new").ok());
    EXPECT_TRUE(fs::is_symlink(link));
    EXPECT_EQ(Content(folder.path() + "/shared/t.yml"), "new");
}

TEST(PolicyFiles, WhatIsNoFileIsWrittenTo)
{
    const Folder folder;
    const std::string pipe = folder.path() + "/pipe";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
    ASSERT_GE(reader, 0);
    ASSERT_TRUE(WriteFile(pipe, "report").ok());
    char got[16] = {};
    EXPECT_EQ(::read(reader, got, sizeof got), 6);
    ::close(reader);
    EXPECT_STREQ(got, "report");
    EXPECT_TRUE(fs::is_fifo(pipe));
}

TEST(PolicyFiles, SayWhyNotAndLeaveNothing)
{
    const Folder folder;
    folder.Write("file", "");
    fs::create_directory(folder.path() + "/folder");
    const auto in_file = WriteFile(folder.path() + "/file/x.yml", "text");
    ASSERT_FALSE(in_file.ok());
    EXPECT_NE(in_file.error().text.find("cannot be written: Not a directory"), std::string::npos)
        << in_file.error().text;
    const auto to_folder = WriteFile(folder.path() + "/folder", "text");
    ASSERT_FALSE(to_folder.ok());
    EXPECT_NE(to_folder.error().text.find("cannot be written: Is a directory"), std::string::npos)
        << to_folder.error().text;
    EXPECT_EQ(NamesIn(folder.path()), (std::set<std::string>{"file", "folder"}));
    EXPECT_NE(Content(folder.path() + "/folder").find("cannot be read: Is a directory"), std::string::npos);
    EXPECT_NE(Content(folder.path() + "/none").find("cannot be read: No such file"), std::string::npos);
}

} // namespace
} // namespace wal2lake
