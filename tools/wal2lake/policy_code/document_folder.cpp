// Documents as a disk has them.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lower_case.h"
#include "policy_code/document.h"
#include "policy_code/files.h"
#include "policy_code/yaml_text.h"

namespace wal2lake
{
namespace
{

namespace fs = std::filesystem;

Error ErrorOf(const std::string& path, int number)
{
    return {number == ENOENT ? ErrorKind::kNotFound : ErrorKind::kPermanent,
            "cannot read \"" + path + "\": " + std::strerror(number)};
}

// One byte more than a document may have is enough to refuse it.
Result<std::string> ReadDocument(const std::string& path)
{
    // Not waiting for the other end of a pipe.
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return ErrorOf(path, errno);
    struct stat facts = {};
    if (::fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        ::close(file);
        return Error{ErrorKind::kPermanent, "cannot read \"" + path + "\": it is no file"};
    }
    std::string text;
    const int number = ReadAll(file, kMaxDocumentBytes + 1, &text);
    ::close(file);
    if (number != 0)
        return ErrorOf(path, number);
    return text;
}

// A link to a folder is refused: git does not follow it either, so what is behind it is in no revision.
std::optional<Error> Collect(const std::string& folder, const std::string& prefix, Documents* documents)
{
    std::error_code failure;
    fs::directory_iterator entry(folder, failure);
    while (!failure && entry != fs::directory_iterator()) {
        const std::string name = entry->path().filename().string();
        const std::string path = folder + "/" + name;
        std::error_code ignored;
        if (!name.starts_with('.') && fs::is_directory(entry->symlink_status(ignored))) {
            if (std::optional<Error> error = Collect(path, prefix + name + "/", documents))
                return error;
        } else if (!name.starts_with('.') && entry->is_symlink(ignored) &&
                   fs::is_directory(entry->status(ignored))) {
            return Error{ErrorKind::kPermanent, "\"" + path +
                                                    "\" is a link to a folder, which is not followed;"
                                                    " put the documents into a folder of the policy"};
        } else if (IsDocument(name) && !fs::is_directory(entry->status(ignored))) {
            Result<std::string> text = ReadDocument(path);
            if (!text.ok())
                return Error{ErrorKind::kPermanent, text.error().text};
            (*documents)[prefix + name] = std::move(text.value());
        }
        entry.increment(failure);
    }
    if (failure)
        return ErrorOf(folder, failure.value());
    return std::nullopt;
}

} // namespace

bool IsDocument(std::string_view path)
{
    const std::string ending = LowerCase(path.substr(std::min(path.rfind('.'), path.size())));
    return (ending == ".yml" || ending == ".yaml") && !path.starts_with('.') &&
           path.find("/.") == std::string_view::npos;
}

Result<Documents> ReadDocuments(const std::string& folder)
{
    Documents documents;
    if (std::optional<Error> error = Collect(folder, "", &documents))
        return *error;
    return documents;
}

} // namespace wal2lake
