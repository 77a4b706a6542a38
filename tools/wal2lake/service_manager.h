// Tells the service manager that started the process how it is: the datagrams of
// sd_notify(3). Does nothing where no manager asked for them (NOTIFY_SOCKET).
//
// Written out here because the protocol is a documented, stable interface of
// three words, while libsystemd would bring five more libraries into a process
// that can read the whole database. Used by run.cpp, on one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace wal2lake
{

class ServiceManager
{
  public:
    // Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
    ServiceManager();
    ~ServiceManager();
    ServiceManager(const ServiceManager&) = delete;
    ServiceManager& operator=(const ServiceManager&) = delete;

    // How often Report() wants to be called, for poll(): -1 where never.
    int interval_ms() const;

    // The process does its work from now on. Not: it has reached its servers. One
    // that is down is waited for, and must not make starting fail.
    void Ready();
    // A line for people where it changed, and the watchdog's sign of life unless a
    // source's loop has been busy for half of the watchdog's interval.
    void Report(size_t streaming, size_t sources, std::chrono::milliseconds longest_busy);
    // The process is about to end.
    void Stopping();

  private:
    bool Send(const std::string& text) const;

    int fd_ = -1;
    std::string address_;
    // 0 where nobody watches.
    std::chrono::microseconds watchdog_{0};
    std::chrono::steady_clock::time_point next_sign_{};
    std::string status_;
};

} // namespace wal2lake
