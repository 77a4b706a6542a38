#include "policy_code/program.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace wal2lake
{
namespace
{

// A file in memory. With one for each end no pipe can be full while nobody reads.
class MemoryFile
{
  public:
    MemoryFile() : number_(::memfd_create("wal2lake", MFD_CLOEXEC)) {}
    ~MemoryFile()
    {
        if (number_ >= 0)
            ::close(number_);
    }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;

    int number() const { return number_; }

    bool Fill(std::string_view bytes)
    {
        for (size_t at = 0; at < bytes.size();) {
            const ssize_t put =
                ::pwrite(number_, bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
            if (put < 0 && errno != EINTR)
                return false;
            at += static_cast<size_t>(std::max<ssize_t>(put, 0));
        }
        return number_ >= 0;
    }

    bool Read(std::string* bytes) const
    {
        char buffer[65536];
        for (;;) {
            const ssize_t got = ::pread(number_, buffer, sizeof buffer, static_cast<off_t>(bytes->size()));
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0)
                return got == 0;
            bytes->append(buffer, static_cast<size_t>(got));
        }
    }

  private:
    int number_;
};

// What a child begins with: three files, no signal blocked or ignored.
class Start
{
  public:
    Start(int input, int output, int errors)
    {
        sigset_t none;
        sigset_t usual;
        ::sigemptyset(&none);
        ::sigemptyset(&usual);
        ::sigaddset(&usual, SIGPIPE);
        failure_ =
            First({::posix_spawn_file_actions_init(&files_), ::posix_spawnattr_init(&attributes_),
                   ::posix_spawn_file_actions_adddup2(&files_, input, STDIN_FILENO),
                   ::posix_spawn_file_actions_adddup2(&files_, output, STDOUT_FILENO),
                   ::posix_spawn_file_actions_adddup2(&files_, errors, STDERR_FILENO),
                   ::posix_spawnattr_setsigmask(&attributes_, &none),
                   ::posix_spawnattr_setsigdefault(&attributes_, &usual),
                   ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)});
    }
    ~Start()
    {
        ::posix_spawn_file_actions_destroy(&files_);
        ::posix_spawnattr_destroy(&attributes_);
    }
    Start(const Start&) = delete;
    Start& operator=(const Start&) = delete;

    // 0, or the number of an error.
    int Spawn(char* const* arguments, char* const* environment, pid_t* child) const
    {
        return failure_ != 0
                   ? failure_
                   : ::posix_spawnp(child, arguments[0], &files_, &attributes_, arguments, environment);
    }

  private:
    static int First(std::initializer_list<int> failures)
    {
        const auto* const found =
            std::find_if(failures.begin(), failures.end(), [](int each) { return each != 0; });
        return found == failures.end() ? 0 : *found;
    }

    posix_spawn_file_actions_t files_{};
    posix_spawnattr_t attributes_{};
    int failure_ = 0;
};

std::vector<std::string> EnvironmentWithout(const std::vector<std::string>& unset)
{
    std::vector<std::string> kept;
    for (char** each = environ; each != nullptr && *each != nullptr; each++) {
        const std::string_view variable = *each;
        if (std::find(unset.begin(), unset.end(), variable.substr(0, variable.find('='))) == unset.end())
            kept.emplace_back(variable);
    }
    return kept;
}

std::vector<char*> Pointers(std::vector<std::string>* texts)
{
    std::vector<char*> pointers;
    for (std::string& text : *texts)
        pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

Error Failed(const std::string& program, int number)
{
    return {number == ENOENT ? ErrorKind::kNotFound : ErrorKind::kPermanent,
            "cannot run \"" + program + "\": " + std::strerror(number)};
}

} // namespace

Result<ProgramResult> RunProgram(const std::vector<std::string>& arguments, std::string_view input,
                                 const std::vector<std::string>& unset)
{
    MemoryFile in;
    const MemoryFile out;
    const MemoryFile err;
    if (!in.Fill(input) || out.number() < 0 || err.number() < 0)
        return Failed(arguments.front(), errno);
    std::vector<std::string> own_arguments = arguments;
    std::vector<std::string> own_environment = EnvironmentWithout(unset);
    const Start start(in.number(), out.number(), err.number());
    pid_t child = 0;
    const int failure =
        start.Spawn(Pointers(&own_arguments).data(), Pointers(&own_environment).data(), &child);
    if (failure != 0)
        return Failed(arguments.front(), failure);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return Failed(arguments.front(), errno);
    ProgramResult result;
    result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (!out.Read(&result.output) || !err.Read(&result.errors))
        return Failed(arguments.front(), errno);
    return result;
}

} // namespace wal2lake
