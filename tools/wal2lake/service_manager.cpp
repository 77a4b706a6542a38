#include "service_manager.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace wal2lake
{
namespace
{

// How late the line for people may be.
constexpr std::chrono::milliseconds kReportInterval{1'000};
// A manager that does not read its socket must not keep us from our work.
constexpr timeval kSendPatience{1, 0};

} // namespace

ServiceManager::ServiceManager()
{
    const char* address = std::getenv("NOTIFY_SOCKET");
    // '/' begins a path, '@' an abstract name; managers offer nothing else for a process on their own kernel.
    if (address == nullptr || (address[0] != '/' && address[0] != '@') ||
        std::strlen(address) >= sizeof(sockaddr_un::sun_path))
        return;
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0)
        return;
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &kSendPatience, sizeof kSendPatience);
    address_ = address;
    if (address_[0] == '@')
        address_[0] = '\0';
    // The watchdog of whoever started us as a child of its own is not ours.
    const char* pid = std::getenv("WATCHDOG_PID");
    const char* interval = std::getenv("WATCHDOG_USEC");
    if (interval != nullptr && (pid == nullptr || std::strtoll(pid, nullptr, 10) == ::getpid()))
        watchdog_ = std::chrono::microseconds(std::max(0LL, std::strtoll(interval, nullptr, 10)));
}

ServiceManager::~ServiceManager()
{
    if (fd_ >= 0)
        ::close(fd_);
}

int ServiceManager::interval_ms() const
{
    if (fd_ < 0)
        return -1;
    const auto quarter = std::chrono::duration_cast<std::chrono::milliseconds>(watchdog_ / 4);
    return static_cast<int>(
        (quarter.count() > 0 ? std::min(quarter, kReportInterval) : kReportInterval).count());
}

void ServiceManager::Ready()
{
    Send("READY=1");
}

void ServiceManager::Report(size_t streaming, size_t sources, std::chrono::milliseconds longest_busy)
{
    const std::string status =
        "STATUS=" + std::to_string(streaming) + " of " + std::to_string(sources) + " sources streaming";
    if (status != status_ && Send(status))
        status_ = status;
    const auto now = std::chrono::steady_clock::now();
    if (watchdog_.count() > 0 && now >= next_sign_ && longest_busy < watchdog_ / 2 && Send("WATCHDOG=1"))
        next_sign_ = now + watchdog_ / 4;
}

void ServiceManager::Stopping()
{
    Send("STOPPING=1\nSTATUS=shipping what is complete");
}

// False where it did not get through; whoever must be sure tries again.
bool ServiceManager::Send(const std::string& text) const
{
    if (fd_ < 0)
        return false;
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, address_.data(), address_.size());
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
    return ::sendto(fd_, text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to),
                    length) == static_cast<ssize_t>(text.size());
}

} // namespace wal2lake
