// A count that grows on a terminal, and elsewhere only what is worth a line of a log.
#pragma once

#include <cstdint>
#include <string>

namespace wal2lake
{

class Progress
{
  public:
    // "subject: 12 of 300 what"; `of` 0 where nobody knows how many there will be.
    Progress(const std::string& subject, std::string what, uint64_t of);
    // Takes the line away.
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void Count();
    // A line of its own: why nothing is counted for a while.
    void Say(const std::string& text);

  private:
    void TakeAway();

    std::string subject_;
    std::string what_;
    uint64_t of_;
    uint64_t count_ = 0;
    bool shown_ = false;
    int64_t next_ms_;
    bool terminal_;
};

} // namespace wal2lake
