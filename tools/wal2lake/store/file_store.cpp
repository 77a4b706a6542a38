#include "store/file_store.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "failpoint.h"
#include "mutant.h"

namespace wal2lake
{
namespace
{

constexpr std::string_view kTemporary = ".tmp-";
// No write takes this long.
constexpr time_t kStaleSeconds = 3600;

class Descriptor
{
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor()
    {
        if (fd_ >= 0)
            ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    int get() const { return fd_; }
    // The result of close(), which may be where a write error shows first.
    int Close()
    {
        const int fd = fd_;
        fd_ = -1;
        return ::close(fd);
    }

  private:
    int fd_;
};

Error FromErrno(int number, const std::string& doing, const std::string& path)
{
    const std::string text = "cannot " + doing + " " + path + ": " + std::strerror(number);
    switch (number) {
    case ENOENT:
        return {ErrorKind::kNotFound, text};
    case EEXIST:
        return {ErrorKind::kExists, text};
    case ENOSPC:
    case EDQUOT:
        return {ErrorKind::kRetryable, text + "; make room there, reading resumes by itself"};
    case EROFS:
        return {ErrorKind::kRetryable, text + "; remount it writable, reading resumes by itself"};
    case EACCES:
    case EPERM:
        return {ErrorKind::kPermanent, text + "; give the user that runs wal2lake write access there"};
    case EISDIR:
    case ELOOP:
    case EMLINK:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EOPNOTSUPP:
        return {ErrorKind::kPermanent, text};
    default:
        return {ErrorKind::kRetryable, text};
    }
}

std::string ParentOf(const std::string& path)
{
    const size_t slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
}

Result<Done> SyncDirectory(const std::string& path)
{
    Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0)
        return FromErrno(errno, "open directory", path);
    // EINVAL: a file system whose directories need no sync.
    if (::fsync(directory.get()) != 0 && errno != EINVAL)
        return FromErrno(errno, "sync directory", path);
    return Done{};
}

Result<Done> WriteAll(int fd, std::string_view bytes, const std::string& path)
{
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return FromErrno(errno, "write", path);
        bytes.remove_prefix(static_cast<size_t>(written));
    }
    return Done{};
}

// ".tmp-" and the numbers that WriteTemporary makes names of.
bool IsTemporary(std::string_view name)
{
    return name.starts_with(kTemporary) &&
           name.find_first_not_of("0123456789-", kTemporary.size()) == std::string_view::npos;
}

// Removes what writers that were killed left in a directory, as far as that is
// possible. Whether their owner lives cannot be known, since it may be on
// another host: age decides, and PutIfAbsent bears being wrong.
void RemoveStale(const std::string& path)
{
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    DIR* const directory = ::opendir(path.c_str());
    if (directory == nullptr)
        return;
    while (const dirent* const entry = ::readdir(directory)) {
        struct stat facts = {};
        if (IsTemporary(entry->d_name) &&
            ::fstatat(::dirfd(directory), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(facts.st_mode) && facts.st_mtim.tv_sec < now.tv_sec - kStaleSeconds)
            ::unlinkat(::dirfd(directory), entry->d_name, 0);
    }
    ::closedir(directory);
}

} // namespace

FileStore::FileStore(std::string root) : root_(std::move(root))
{
    while (root_.size() > 1 && root_.back() == '/')
        root_.pop_back();
}

Result<Done> FileStore::MakeDirectories(const std::string& path) const
{
    if (::mkdir(path.c_str(), 0777) == 0)
        return SyncDirectory(ParentOf(path));
    if (errno == EEXIST)
        return Done{};
    if (errno != ENOENT || path == "/")
        return FromErrno(errno, "create directory", path);
    auto parent = MakeDirectories(ParentOf(path));
    if (!parent.ok())
        return parent;
    if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST)
        return FromErrno(errno, "create directory", path);
    return SyncDirectory(ParentOf(path));
}

// Leaves a synced file and answers its path. On failure nothing stays: after a
// failed fsync the kernel may have dropped the dirty pages, so the file is not
// trusted again.
Result<std::string> FileStore::WriteTemporary(const std::string& path, std::string_view bytes)
{
    const std::string directory = ParentOf(path);
    const auto made = MakeDirectories(directory);
    if (!made.ok())
        return made.error();
    if (cleared_.insert(directory).second)
        RemoveStale(directory);

    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    static std::atomic<uint64_t> number = 0;
    const std::string temporary = directory + "/" + std::string(kTemporary) + std::to_string(::getpid()) +
                                  "-" + std::to_string(now.tv_sec) + std::to_string(now.tv_nsec) + "-" +
                                  std::to_string(number++);
    Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (file.get() < 0 && errno == EEXIST)
        return Error{ErrorKind::kRetryable, temporary + " is another writer's"};
    if (file.get() < 0)
        return FromErrno(errno, "create", temporary);
    failpoint::Pass("temp.opened");
    auto written = WriteAll(file.get(), bytes, path);
    if (written.ok() && ::fsync(file.get()) != 0)
        written = FromErrno(errno, "sync", path);
    if (written.ok() && file.Close() != 0)
        written = FromErrno(errno, "close", path);
    if (!written.ok()) {
        ::unlink(temporary.c_str());
        return written.error();
    }
    return temporary;
}

Result<Done> FileStore::PutIfAbsent(const std::string& name, std::string_view bytes)
{
    if (!IsObjectName(name))
        return BadObjectName(name);
    const std::string path = PathOf(name);
    const auto temporary = WriteTemporary(path, bytes);
    if (!temporary.ok())
        return temporary.error();
    failpoint::Pass("put.temp_written");
    const int linked = Planted(Bug::kRenameForLink) ? ::rename(temporary.value().c_str(), path.c_str())
                                                    : ::link(temporary.value().c_str(), path.c_str());
    const int link_errno = errno;
    failpoint::Pass("put.linked");
    ::unlink(temporary.value().c_str());
    failpoint::Pass("put.temp_removed");
    if (linked != 0 && link_errno == ENOENT)
        return Error{ErrorKind::kRetryable,
                     "cannot create " + path + ": its temporary file was removed before it was linked"};
    if (linked != 0 && link_errno != EEXIST)
        return FromErrno(link_errno, "create", path);
    // Also where the name was taken: whoever made it may have died before this,
    // and the caller is about to rely on it.
    auto synced = SyncDirectory(ParentOf(path));
    if (!synced.ok())
        return synced;
    failpoint::Pass("put.synced");
    if (linked != 0)
        return FromErrno(link_errno, "create", path);
    return Done{};
}

Result<Done> FileStore::Overwrite(const std::string& name, std::string_view bytes)
{
    if (!IsObjectName(name))
        return BadObjectName(name);
    const std::string path = PathOf(name);
    const auto temporary = WriteTemporary(path, bytes);
    if (!temporary.ok())
        return temporary.error();
    failpoint::Pass("head.temp_written");
    if (::rename(temporary.value().c_str(), path.c_str()) != 0) {
        const int rename_errno = errno;
        ::unlink(temporary.value().c_str());
        return FromErrno(rename_errno, "replace", path);
    }
    return Done{};
}

Result<std::string> FileStore::Get(const std::string& name, uint64_t offset, size_t length)
{
    const std::string path = PathOf(name);
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0)
        return FromErrno(errno, "open", path);
    std::string bytes(length, '\0');
    size_t filled = 0;
    while (filled < length) {
        const ssize_t got =
            ::pread(file.get(), bytes.data() + filled, length - filled, static_cast<off_t>(offset + filled));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return FromErrno(errno, "read", path);
        if (got == 0)
            break;
        filled += static_cast<size_t>(got);
    }
    bytes.resize(filled);
    return bytes;
}

Result<ObjectFacts> FileStore::Head(const std::string& name)
{
    const std::string path = PathOf(name);
    struct stat facts {
    };
    if (::stat(path.c_str(), &facts) != 0)
        return FromErrno(errno, "look at", path);
    return ObjectFacts{static_cast<uint64_t>(facts.st_size),
                       int64_t{facts.st_mtim.tv_sec} * 1'000'000 + facts.st_mtim.tv_nsec / 1000};
}

namespace
{

struct Entry {
    std::string name;
    bool is_directory = false;

    // Byte order of full names: a directory's names go on with '/'.
    std::string Key() const { return is_directory ? name + "/" : name; }
};

Result<std::vector<Entry>> ReadDirectory(const std::string& path)
{
    std::vector<Entry> entries;
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) {
        if (errno == ENOENT)
            return entries;
        return FromErrno(errno, "list", path);
    }
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(directory);
        if (entry == nullptr)
            break;
        if (!IsObjectName(entry->d_name))
            continue;
        bool is_directory = entry->d_type == DT_DIR;
        if (entry->d_type == DT_UNKNOWN || entry->d_type == DT_LNK) {
            struct stat facts {
            };
            if (::fstatat(::dirfd(directory), entry->d_name, &facts, 0) != 0)
                continue;
            is_directory = S_ISDIR(facts.st_mode);
        }
        entries.push_back({entry->d_name, is_directory});
    }
    const int read_errno = errno;
    ::closedir(directory);
    if (read_errno != 0)
        return FromErrno(read_errno, "list", path);
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return a.Key() < b.Key(); });
    return entries;
}

struct Listing {
    const std::string& root;
    const std::string& prefix;
    const std::string& after;
    size_t limit;
    ListPage page;

    // Lists below the directory `base`, which is empty or ends with '/'.
    Result<Done> Walk(const std::string& base)
    {
        const auto entries = ReadDirectory(root + "/" + base);
        if (!entries.ok())
            return entries.error();
        const size_t before = page.names.size();
        for (const Entry& entry : entries.value()) {
            const std::string full = base + entry.Key();
            const std::string_view head = std::string_view(prefix).substr(0, full.size());
            if (page.more || !full.starts_with(head))
                continue;
            if (entry.is_directory) {
                // Everything below sorts before `after` where this does and is
                // not its beginning.
                if (full < after && !after.starts_with(full))
                    continue;
                auto walked = Walk(full);
                if (!walked.ok())
                    return walked;
            } else if (full > after && full.starts_with(prefix)) {
                if (page.names.size() == limit)
                    page.more = true;
                else
                    page.names.push_back(full);
            }
        }
        // What is listed is relied on, so it must survive a power failure even
        // where its writer died before it could see to that.
        if (page.names.size() > before)
            return SyncDirectory(root + "/" + base);
        return Done{};
    }
};

} // namespace

Result<ListPage> FileStore::List(const std::string& prefix, const std::string& after, size_t limit)
{
    Listing listing{root_, prefix, after, limit, {}};
    const auto walked = listing.Walk("");
    if (!walked.ok())
        return walked.error();
    return std::move(listing.page);
}

Result<Done> FileStore::Delete(const std::string& name)
{
    const std::string path = PathOf(name);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        return FromErrno(errno, "delete", path);
    return SyncDirectory(ParentOf(path));
}

Result<std::unique_ptr<Store>> OpenFileStore(const std::string& url, const StoreOptions& /*options*/,
                                             const StoreWarning& /*warn*/)
{
    const std::string root = url.substr(std::string_view("file://").size());
    if (root.size() < 2 || root[0] != '/')
        return Error{ErrorKind::kInvalid,
                     "lake url \"" + url + "\" has no absolute path; write file:///path/of/the/lake"};
    return std::unique_ptr<Store>(std::make_unique<FileStore>(root));
}

} // namespace wal2lake
