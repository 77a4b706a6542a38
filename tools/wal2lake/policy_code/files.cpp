#include "policy_code/files.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace wal2lake
{
namespace
{

namespace fs = std::filesystem;

constexpr mode_t kReadableByAll = 0644;
constexpr mode_t kPermissions = 07777;

Error Unwritten(const std::string& path, int number)
{
    return {ErrorKind::kPermanent, "\"" + path + "\" cannot be written: " + std::strerror(number)};
}

bool WriteAll(int file, const std::string& text)
{
    for (size_t done = 0; done < text.size();) {
        const ssize_t wrote = ::write(file, text.data() + done, text.size() - done);
        if (wrote < 0 && errno != EINTR)
            return false;
        done += wrote < 0 ? 0 : static_cast<size_t>(wrote);
    }
    return true;
}

Result<Done> WriteInPlace(const std::string& path, const std::string& text)
{
    const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return Unwritten(path, errno);
    const bool written = WriteAll(file, text);
    const int number = errno;
    ::close(file);
    if (!written)
        return Unwritten(path, number);
    return Done{};
}

// Standard output or standard error, where one of them is that file; otherwise none.
int OwnDescriptor(const struct stat& facts)
{
    for (const int own : {STDOUT_FILENO, STDERR_FILENO}) {
        struct stat mine = {};
        if (::fstat(own, &mine) == 0 && mine.st_dev == facts.st_dev && mine.st_ino == facts.st_ino)
            return own;
    }
    return -1;
}

// After what was printed before.
Result<Done> WriteToOwn(int descriptor, const std::string& path, const std::string& text)
{
    if (std::fflush(stdout) != 0 || !WriteAll(descriptor, text))
        return Unwritten(path, errno);
    return Done{};
}

// A name that nobody has, so that nobody's file or link is followed.
Result<Done> Replace(const std::string& path, const std::string& text, mode_t mode)
{
    std::string beside = path + ".XXXXXX";
    const int file = ::mkostemp(beside.data(), O_CLOEXEC);
    if (file < 0)
        return Unwritten(path, errno);
    const bool written = ::fchmod(file, mode) == 0 && WriteAll(file, text) && ::fsync(file) == 0;
    const int number = errno;
    ::close(file);
    if (written && ::rename(beside.c_str(), path.c_str()) == 0)
        return Done{};
    const Error error = Unwritten(path, written ? errno : number);
    ::unlink(beside.c_str());
    return error;
}

} // namespace

int ReadAll(int file, size_t enough, std::string* text)
{
    char buffer[65536];
    while (text->size() < enough) {
        const ssize_t got = ::read(file, buffer, sizeof buffer);
        if (got == 0)
            break;
        if (got > 0)
            text->append(buffer, static_cast<size_t>(got));
        else if (errno != EINTR)
            return errno;
    }
    return 0;
}

Result<std::string> ReadFile(const std::string& path)
{
    const auto unread = [&](int number) {
        return Error{ErrorKind::kNotFound, "\"" + path + "\" cannot be read: " + std::strerror(number)};
    };
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return unread(errno);
    std::string text;
    const int number = ReadAll(file, std::string::npos, &text);
    ::close(file);
    if (number != 0)
        return unread(number);
    return text;
}

Result<Done> WriteFile(const std::string& path, const std::string& text)
{
    std::error_code error;
    struct stat facts = {};
    if (::stat(path.c_str(), &facts) != 0) {
        const auto folder = fs::path(path).parent_path();
        if (!folder.empty() && !fs::create_directories(folder, error) && error)
            return Unwritten(path, error.value());
        return Replace(path, text, kReadableByAll);
    }
    // Replaced, it would take along what it holds, and hide what is still to come.
    if (const int own = OwnDescriptor(facts); own >= 0)
        return WriteToOwn(own, path, text);
    if (!S_ISREG(facts.st_mode))
        return WriteInPlace(path, text);
    const auto target = fs::canonical(path, error);
    if (error)
        return Unwritten(path, error.value());
    return Replace(target.string(), text, facts.st_mode & kPermissions);
}

bool IsThere(const std::string& path)
{
    struct stat facts = {};
    return ::lstat(path.c_str(), &facts) == 0;
}

} // namespace wal2lake
