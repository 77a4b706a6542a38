#include "policy_code/revision.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "policy_code/program.h"

namespace wal2lake
{
namespace
{

// A file in the tree of a commit, as `git ls-tree` has it.
struct TreeFile {
    std::string object;
    std::string path;
};

// Runs git in `folder`. What it complains about is the error.
Result<std::string> Git(const std::string& folder, const std::vector<std::string>& arguments,
                        std::string_view input = {})
{
    // A hook has those, relative to another folder.
    static const std::vector<std::string> kOfHooks{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE",
                                                   "GIT_PREFIX"};
    std::vector<std::string> command{"git", "-C", folder};
    command.insert(command.end(), arguments.begin(), arguments.end());
    Result<ProgramResult> ran = RunProgram(command, input, kOfHooks);
    if (!ran.ok() && ran.error().kind == ErrorKind::kNotFound)
        return Error{ErrorKind::kNotFound,
                     "a revision is read by the program git, which is not there; install it"};
    if (!ran.ok())
        return ran.error();
    ProgramResult& result = ran.value();
    if (result.exit_code == 0)
        return std::move(result.output);
    return Error{ErrorKind::kPermanent, result.errors.substr(0, result.errors.find('\n'))};
}

bool IsObject(std::string_view text)
{
    return text.size() >= 40 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Files of a listing with -z: "mode blob object\tpath". Neither links nor what is below submodules.
std::vector<TreeFile> FilesOf(std::string_view listing)
{
    std::vector<TreeFile> files;
    while (!listing.empty()) {
        const std::string_view entry = listing.substr(0, listing.find('\0'));
        listing.remove_prefix(std::min(entry.size() + 1, listing.size()));
        const size_t tab = entry.find('\t');
        if (tab == std::string_view::npos || !entry.starts_with("100"))
            continue;
        const size_t object = entry.rfind(' ', tab) + 1;
        files.push_back(
            {std::string(entry.substr(object, tab - object)), std::string(entry.substr(tab + 1))});
    }
    return files;
}

// Takes what `git cat-file --batch` says of one object: "object blob size\n", the bytes, "\n".
bool TakeBlob(std::string_view* answer, std::string* bytes)
{
    const size_t end = answer->find('\n');
    const std::string_view head = answer->substr(0, end);
    size_t size = 0;
    const char* const number = head.data() + head.rfind(' ') + 1;
    const char* const number_end = head.data() + head.size();
    if (end == std::string_view::npos || head.find(" blob ") == std::string_view::npos ||
        std::from_chars(number, number_end, size).ptr != number_end || answer->size() - end - 1 <= size)
        return false;
    *bytes = answer->substr(end + 1, size);
    answer->remove_prefix(end + 1 + size + 1);
    return true;
}

// All in one process.
Result<Documents> Contents(const std::string& folder, const std::vector<TreeFile>& files)
{
    Documents documents;
    if (files.empty())
        return documents;
    std::string wanted;
    for (const TreeFile& file : files)
        wanted += file.object + "\n";
    const Result<std::string> answer = Git(folder, {"cat-file", "--batch"}, wanted);
    if (!answer.ok())
        return Error{answer.error().kind,
                     "git cannot read what it has of \"" + folder + "\": " + answer.error().text};
    std::string_view rest = answer.value();
    for (const TreeFile& file : files)
        if (!TakeBlob(&rest, &documents[file.path]))
            return Error{ErrorKind::kDamaged, "git does not have \"" + file.path + "\" of \"" + folder +
                                                  "\" at that revision; fetch it, or run git fsck"};
    return documents;
}

Result<std::vector<TreeFile>> FilesAt(const std::string& folder, const std::string& revision,
                                      bool with_folders)
{
    const Result<std::string> commit = CommitOf(folder, revision);
    if (!commit.ok())
        return commit.error();
    std::vector<std::string> command{"ls-tree", "-z", commit.value()};
    if (with_folders)
        command.insert(command.begin() + 1, "-r");
    const Result<std::string> listing = Git(folder, command);
    if (!listing.ok())
        return Error{listing.error().kind, "git cannot list \"" + folder + "\": " + listing.error().text};
    return FilesOf(listing.value());
}

} // namespace

Result<std::string> CommitOf(const std::string& folder, const std::string& revision)
{
    const Error unknown{ErrorKind::kInvalid, "\"" + revision +
                                                 "\" is no revision of the git repository of \"" + folder +
                                                 "\"; fetch it first, such as with git fetch origin main"};
    // git would take it for an option.
    if (revision.empty() || revision.front() == '-' || revision.find('\0') != std::string::npos)
        return unknown;
    const Result<std::string> inside = Git(folder, {"rev-parse", "--show-prefix"});
    if (!inside.ok() && inside.error().kind == ErrorKind::kNotFound)
        return inside.error();
    if (!inside.ok())
        return Error{inside.error().kind, "cannot ask git about \"" + folder + "\": " + inside.error().text};
    const Result<std::string> commit =
        Git(folder, {"rev-parse", "--verify", "--quiet", revision + "^{commit}"});
    if (!commit.ok())
        return unknown;
    std::string object = commit.value().substr(0, commit.value().find('\n'));
    if (!IsObject(object))
        return unknown;
    return object;
}

Result<Documents> DocumentsAt(const std::string& folder, const std::string& revision)
{
    Result<std::vector<TreeFile>> files = FilesAt(folder, revision, true);
    if (!files.ok())
        return files.error();
    std::vector<TreeFile> wanted;
    std::copy_if(files.value().begin(), files.value().end(), std::back_inserter(wanted),
                 [](const TreeFile& file) { return IsDocument(file.path); });
    return Contents(folder, wanted);
}

Result<std::optional<std::string>> FileAt(const std::string& file, const std::string& revision)
{
    const std::filesystem::path path(file);
    const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
    const Result<std::vector<TreeFile>> files = FilesAt(folder, revision, false);
    if (!files.ok())
        return files.error();
    for (const TreeFile& each : files.value()) {
        if (each.path != path.filename().string())
            continue;
        Result<Documents> contents = Contents(folder, {each});
        if (!contents.ok())
            return contents.error();
        return std::optional<std::string>(std::move(contents.value().begin()->second));
    }
    return std::optional<std::string>();
}

} // namespace wal2lake
