// Names of the objects of a log, and how its tail is found.
//
// Used by the state machine, which feeds it replies of the store, and by the
// commands, which run it against a store directly. Knows nothing of what is
// inside a segment.
//
//   <source>/log/<epoch, 8 digits>/<start LSN, 16 hex digits, lower case>.w2l
//   <source>/parts/<epoch, 8 digits>/<commit LSN, 16 hex digits>/<writer>/<number, 8 digits>
//   <source>/head       a hint: the name of a recent object and a newline
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "result.h"
#include "store/store.h"

namespace wal2lake
{

// The epoch a new log begins with; the only one this version writes.
inline constexpr uint32_t kFirstEpoch = 1;

struct SegmentName {
    std::string source;
    uint32_t epoch = kFirstEpoch;
    // 0 names the genesis of the epoch.
    uint64_t start_lsn = 0;

    auto operator<=>(const SegmentName&) const = default;
};

// "[a-z0-9][a-z0-9._-]*", at most 128 bytes.
bool IsSourceId(std::string_view text);

std::string FormatSegmentName(const SegmentName& name);
// nullopt for whatever is no segment's name; temporary and foreign files are not.
std::optional<SegmentName> ParseSegmentName(std::string_view text);

std::string LogPrefix(const std::string& source);

// A piece of a transaction that is larger than a segment. Writers never share a
// name: who may have been cut off in the middle begins anew beside it.
struct PartName {
    std::string source;
    uint32_t epoch = kFirstEpoch;
    uint64_t commit_lsn = 0;
    // "[a-z0-9-]+"
    std::string writer;
    uint32_t number = 0;

    auto operator<=>(const PartName&) const = default;
};

std::string FormatPartName(const PartName& name);
std::optional<PartName> ParsePartName(std::string_view text);
// What the names of all parts begin with: of a source, or of one transaction.
std::string PartsPrefix(const std::string& source);
std::string PartsPrefix(const std::string& source, uint32_t epoch, uint64_t commit_lsn);
// An object's name from how a segment lists it, and back.
std::string BelowSource(const std::string& source, const std::string& name);
std::string WithoutSource(const std::string& source, const std::string& name);
std::string HeadName(const std::string& source);
std::string FormatHead(const SegmentName& name);
// nullopt where the hint is unusable, which is never an error.
std::optional<SegmentName> ParseHead(std::string_view bytes, const std::string& source);

// Finds the last object of a source's log with a bounded number of requests,
// whatever the length: reads the hint, lists what follows it, and halves the
// space of names where that is more than a page. A pure state machine.
//
//   TailFinder finder(source);
//   while (!finder.done()) answer finder.request() with OnHead or OnList;
//   finder.tail()
//
// The caller reads the tail. Where a tail that came from the hint does not
// exist, it calls DistrustHint and goes on.
class TailFinder
{
  public:
    struct GetHead {
        std::string name;
    };
    struct ListAfter {
        std::string prefix;
        std::string after;
        size_t limit;
    };
    using Request = std::variant<GetHead, ListAfter>;

    explicit TailFinder(std::string source);

    bool done() const { return done_; }
    // The next question; the same until it is answered.
    Request request() const;
    // The hint's bytes, or nullopt where there is none or it cannot be read.
    void OnHead(const std::optional<std::string>& bytes);
    void OnList(const ListPage& page);
    // Starts over without the hint.
    void DistrustHint();

    // Where done(): the last object's name, or nullopt for an empty log.
    const std::optional<SegmentName>& tail() const { return tail_; }
    // True where tail() is the hint itself, which nothing has confirmed yet.
    bool tail_is_hint() const { return tail_is_hint_; }
    int requests() const { return requests_; }

  private:
    using Position = unsigned __int128;

    std::string NameAt(Position position) const;
    Position NextProbe();

    std::string source_;
    bool head_asked_ = false;
    bool done_ = false;
    int requests_ = 0;
    std::optional<SegmentName> tail_;
    bool tail_is_hint_ = false;
    // A name that exists (0 without one), and the first from which on none does.
    Position low_ = 0;
    Position high_;
    // The middle from which on was asked last, 0 before the first halving.
    Position probe_ = 0;
    // How far ahead another epoch is looked for, until one is known not to exist.
    Position epoch_stride_ = 1;
    bool epochs_bounded_ = false;
    std::string after_;
};

// Runs a TailFinder against a store and makes sure that the tail exists.
Result<std::optional<SegmentName>> FindTail(Store& store, const std::string& source);

// Every segment name of a source in order, from genesis to tail.
Result<std::vector<SegmentName>> ListSegments(Store& store, const std::string& source);

} // namespace wal2lake
