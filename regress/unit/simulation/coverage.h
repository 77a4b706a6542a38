// Where forwarders died and what was delivered to them in which situation, so
// that a test can demand that nothing was left out.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "machine_events.h"

namespace wal2lake::simulation
{

// What a forwarder passes on its way; it can die before and after each. The
// first ones are those that durability hangs on.
enum class Edge : uint8_t {
    // A message comes in.
    kReceive,
    // Whole transactions become a segment.
    kSeal,
    // A put goes out; it is carried out; its reply comes in.
    kPutSent,
    kPutStored,
    kReply,
    // A segment that was there is taken for the tail.
    kAdopt,
    kHintWrite,
    kAcknowledge,
    kDurable = kAcknowledge,
    // The other actions.
    kReadHead,
    kListAfter,
    kReadObject,
    kConnect,
    kStartStreaming,
    kDisconnect,
    kPause,
    kResume,
    kAskServer,
    kSweep,
    kLog,
    kFinish,
    kCount,
};
enum class Side : uint8_t { kBefore, kAfter };

const char* EdgeName(Edge edge);
Edge EdgeOf(const Action& action);
const char* EventName(const Event& event);

class Coverage
{
  public:
    void Died(Edge edge, Side side) { deaths_[static_cast<size_t>(edge)][static_cast<size_t>(side)]++; }
    void Delivered(const Event& event, const std::string& situation)
    {
        events_[EventName(event)][situation]++;
    }

    uint64_t deaths(Edge edge, Side side) const
    {
        return deaths_[static_cast<size_t>(edge)][static_cast<size_t>(side)];
    }
    // How often an event came in situations whose description has `word`.
    uint64_t events(const std::string& event, const std::string& word) const;

    std::string Table() const;

  private:
    std::array<std::array<uint64_t, 2>, static_cast<size_t>(Edge::kCount)> deaths_{};
    // By event, then by situation ("streaming, put open").
    std::map<std::string, std::map<std::string, uint64_t>> events_;
};

} // namespace wal2lake::simulation
