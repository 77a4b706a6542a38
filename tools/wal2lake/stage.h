// Keeps what the plugin sends of transactions in progress until they commit, on
// local disk, and makes ordinary batches of it then: without subtransactions that
// aborted, and with the ordinals that a server would have sent that keeps them
// itself.
//
// The driver leads every message of the plugin past it, and `cat` those of a
// stream. What is kept is nothing to rely on: it goes with the session, and the
// server sends it again. Knows nothing of segments or positions. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/frame_reader.h"
#include "result.h"

namespace wal2lake
{

struct StageConfig {
    // Where the files are made; they have no name, so nothing is left behind.
    std::string directory = "/var/tmp";
    // What they may hold together; 0 where no transaction is to be streamed.
    uint64_t max_size = uint64_t{16} << 30;
};

class Stage
{
  public:
    explicit Stage(StageConfig config);
    ~Stage();
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    // Whether files can be kept where it says.
    static Result<Done> Try(const StageConfig& config);

    // Takes a message over where it belongs to a transaction in progress, or ends
    // one; false where it is to be handed on as it is. Not before Next() is through.
    // kDamaged: the message breaks the contract. Any other error: the disk does not
    // keep what it should, and the session must end.
    Result<bool> Take(std::string_view message);

    // True where messages are to be handed on before anything else is taken.
    bool ready() const { return !announced_.empty() || replay_ != nullptr; }
    // The next of them, valid until the next call; empty after the last. Errors as
    // those of Take().
    Result<std::string_view> Next();

    // Forgets everything, where a session ends.
    void Clear();

    // What waits for a commit.
    size_t transactions() const { return open_.size(); }
    uint64_t bytes() const { return bytes_; }

  private:
    class File;
    class Replay;

    struct Open {
        std::unique_ptr<File> file;
        // Subtransactions, as they came.
        std::vector<uint32_t> aborted;
    };

    Result<Done> Keep(const MessageView& message, const BatchView& batch);
    Result<Done> Commit(const BatchView& batch);
    void Forget(uint32_t xid);

    StageConfig config_;
    std::map<uint32_t, Open> open_;
    uint64_t bytes_ = 0;
    // Relations, which belong to the session and not to a transaction.
    std::deque<std::string> announced_;
    std::unique_ptr<Replay> replay_;
    std::string message_;
};

} // namespace wal2lake
