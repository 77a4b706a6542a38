#include "stage.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <protozero/pbf_writer.hpp>
#include <unistd.h>

#include "core/wire_reader.h"
#include "frame_writer.h"

namespace wal2lake
{
namespace
{

using wire::BytesTag;
using wire::FieldReader;
using wire::VarintTag;

constexpr size_t kPiece = size_t{1} << 20;
// As the plugin makes them.
constexpr size_t kBatchBytes = size_t{64} << 10;

constexpr uint64_t kOrdinalTag = VarintTag(1);
constexpr uint64_t kSubxidTag = VarintTag(2);
constexpr uint64_t kStreamedTag = VarintTag(5);
constexpr uint32_t kCommittedField = 1;
constexpr uint32_t kRecordsField = 5;
constexpr uint32_t kLastField = 6;

Error Broken(const std::string& text)
{
    return {ErrorKind::kDamaged, text};
}

Error DiskError(const std::string& directory, const std::string& what)
{
    return {ErrorKind::kRetryable,
            "stage.directory " + directory + ": " + what + ": " + std::strerror(errno)};
}

// Appends a serialized Record to what will be the records of a batch.
void AddRecord(std::string_view record, std::string* batch)
{
    protozero::pbf_writer writer(*batch);
    writer.add_message(kRecordsField, record.data(), record.size());
}

// Appends the fields of `message` that have neither of two tags.
bool AppendWithout(std::string_view message, uint64_t first, uint64_t second, std::string* out)
{
    bool damaged = false;
    FieldReader field(message, &damaged);
    std::string_view before = message;
    while (field.Next()) {
        if (field.tag() != first && field.tag() != second)
            *out += before.substr(0, before.size() - field.rest().size());
        before = field.rest();
    }
    return !damaged;
}

} // namespace

// A file without a name: written to its end, then read from its beginning.
class Stage::File
{
  public:
    explicit File(std::string directory) : directory_(std::move(directory)) {}
    ~File()
    {
        if (fd_ >= 0)
            ::close(fd_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    uint64_t size() const { return size_; }
    const std::string& directory() const { return directory_; }

    Result<Done> Append(std::string_view bytes)
    {
        if (fd_ < 0) {
            std::string name = directory_ + "/wal2lake-stage-XXXXXX";
            fd_ = ::mkostemp(name.data(), O_CLOEXEC);
            if (fd_ < 0)
                return DiskError(directory_, "a file cannot be made");
            ::unlink(name.c_str());
        }
        while (!bytes.empty()) {
            const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
            if (written < 0 && errno == EINTR)
                continue;
            if (written < 0)
                return DiskError(directory_, "a file cannot be written");
            size_ += static_cast<uint64_t>(written);
            bytes.remove_prefix(static_cast<size_t>(written));
        }
        return Done{};
    }

    // Appends what follows the last Read() to `*out`, about a MiB; nothing at the end.
    Result<Done> Read(std::string* out)
    {
        const size_t wanted = static_cast<size_t>(std::min<uint64_t>(kPiece, size_ - position_));
        const size_t held = out->size();
        out->resize(held + wanted);
        for (size_t got = 0; got < wanted;) {
            const ssize_t count =
                ::pread(fd_, out->data() + held + got, wanted - got, static_cast<off_t>(position_));
            if (count < 0 && errno == EINTR)
                continue;
            if (count <= 0)
                return DiskError(directory_, "a file cannot be read back");
            got += static_cast<size_t>(count);
            position_ += static_cast<uint64_t>(count);
        }
        return Done{};
    }

  private:
    std::string directory_;
    int fd_ = -1;
    uint64_t size_ = 0;
    uint64_t position_ = 0;
};

// One transaction that has committed, on its way out.
class Stage::Replay
{
  public:
    // `committed`: the serialized facts, `rest`: the records of the commit's own batch.
    Replay(Open source, std::string committed, std::string rest)
        : source_(std::move(source)), committed_(std::move(committed)), rest_(std::move(rest))
    {
        std::sort(source_.aborted.begin(), source_.aborted.end());
    }

    // The next message; empty after the last one, which there is not where nothing
    // of the transaction is left.
    Result<std::string> Next()
    {
        while (!done_) {
            MessageView message;
            size_t consumed = 0;
            const ReadResult next =
                NextMessage(std::string_view(read_).substr(position_), &message, &consumed);
            if (next.damaged())
                return Unreadable(next.reason);
            if (!next.ok()) {
                read_.erase(0, position_ + consumed);
                position_ = 0;
                const size_t held = read_.size();
                const auto more = source_.file->Read(&read_);
                if (!more.ok())
                    return more.error();
                if (read_.size() == held) {
                    done_ = true;
                    if (held != 0)
                        return Unreadable("it ends inside a message");
                    return Finish();
                }
                continue;
            }
            position_ += consumed;
            std::string out;
            const auto taken = TakeBatch(message.batch, &out);
            if (!taken.ok())
                return taken.error();
            if (!out.empty())
                return out;
        }
        return std::string();
    }

  private:
    Error Unreadable(const char* reason) const
    {
        return {ErrorKind::kRetryable, "stage.directory " + source_.file->directory() +
                                           ": what was written cannot be read back: " + reason};
    }

    // Adds the records that are left; where a batch became full, it is a message in `*out`.
    Result<Done> TakeBatch(std::string_view bytes, std::string* out)
    {
        BatchView batch;
        ReadResult result = ScanBatch(bytes, &batch);
        RecordCursor cursor(batch);
        RecordView record;
        while (result.ok() && (result = cursor.Next(&record)).ok())
            if (!TakeRecord(record))
                return Unreadable("a record is malformed");
        if (result.damaged())
            return Unreadable(result.reason);
        if (records_.size() >= kBatchBytes)
            *out = TakeMessage(false);
        return Done{};
    }

    bool IsVoid(uint32_t subxid) const
    {
        return std::binary_search(source_.aborted.begin(), source_.aborted.end(), subxid);
    }

    // Numbers the records that stay: each of another ordinal is one more, and so is
    // what was skipped.
    bool TakeRecord(const RecordView& record)
    {
        if (record.kind == RecordKind::kRelation || record.kind == RecordKind::kStreamAbort ||
            IsVoid(record.subxid))
            return true;
        if (record.kind == RecordKind::kSkipped) {
            uint64_t changes = 0;
            const bool ok = ScanSkipped(record.body, &changes).ok();
            ordinal_ += changes;
            return ok;
        }
        if (record.ordinal != 0 && std::exchange(latest_, record.ordinal) != record.ordinal)
            ordinal_++;
        std::string renumbered;
        protozero::pbf_writer writer(renumbered);
        if (record.ordinal != 0)
            writer.add_uint64(1, ordinal_);
        if (!AppendWithout(record.bytes, kOrdinalTag, kSubxidTag, &renumbered))
            return false;
        AddRecord(renumbered, &records_);
        return true;
    }

    std::string TakeMessage(bool last)
    {
        wrote_ = true;
        std::string batch;
        protozero::pbf_writer writer(batch);
        writer.add_message(kCommittedField, committed_);
        batch += records_;
        records_.clear();
        if (last)
            writer.add_bool(kLastField, true);
        return WriteFrame(batch);
    }

    std::string Finish()
    {
        if (records_.empty() && !wrote_)
            return {};
        records_ += rest_;
        return TakeMessage(true);
    }

    Open source_;
    std::string committed_;
    std::string rest_;
    std::string read_;
    size_t position_ = 0;
    // Serialized, of the batch that is being made.
    std::string records_;
    uint64_t ordinal_ = 0;
    // Ordinal of the last record that stayed, as the plugin numbered it.
    uint64_t latest_ = 0;
    bool wrote_ = false;
    bool done_ = false;
};

Stage::Stage(StageConfig config) : config_(std::move(config)) {}

Stage::~Stage() = default;

Result<Done> Stage::Try(const StageConfig& config)
{
    File file(config.directory);
    return file.Append("w");
}

Result<bool> Stage::Take(std::string_view message)
{
    CommittedView committed;
    const BatchKind kind = PeekBatch(message, &committed);
    if (kind != BatchKind::kInProgress && !committed.streamed)
        return false;
    MessageView view;
    size_t consumed = 0;
    const ReadResult next = NextMessage(message, &view, &consumed);
    if (!next.ok() || consumed != message.size())
        return Broken(next.damaged() ? next.reason : "a message is cut short or followed by something");
    BatchView batch;
    const ReadResult scanned = ScanBatch(view.batch, &batch);
    if (!scanned.ok())
        return Broken(scanned.reason);
    const auto taken = kind == BatchKind::kInProgress ? Keep(view, batch) : Commit(batch);
    if (!taken.ok())
        return taken.error();
    return true;
}

Result<Done> Stage::Keep(const MessageView& message, const BatchView& batch)
{
    const uint32_t xid = batch.in_progress_xid;
    if (xid == 0)
        return Broken("a transaction in progress has no id");
    Open& open = open_[xid];
    std::string relations;
    RecordCursor cursor(batch);
    RecordView record;
    ReadResult next;
    while ((next = cursor.Next(&record)).ok()) {
        if (record.kind == RecordKind::kRelation) {
            AddRecord(record.bytes, &relations);
        } else if (record.kind == RecordKind::kStreamAbort && record.subxid == 0) {
            Forget(xid);
            return Done{};
        } else if (record.kind == RecordKind::kStreamAbort) {
            open.aborted.push_back(record.subxid);
        } else if (uint64_t changes = 0;
                   record.kind == RecordKind::kSkipped && !ScanSkipped(record.body, &changes).ok()) {
            // Of what breaks the contract the sender should hear, not the disk be blamed.
            return Broken("a record of what was skipped is malformed");
        }
    }
    if (next.damaged())
        return Broken(next.reason);
    if (!relations.empty())
        announced_.push_back(WriteFrame(relations));
    if (bytes_ + message.whole.size() > config_.max_size)
        return Error{ErrorKind::kRetryable, "transactions in progress have come to stage.max_size, " +
                                                std::to_string(config_.max_size) +
                                                " bytes, in stage.directory " + config_.directory};
    if (open.file == nullptr)
        open.file = std::make_unique<File>(config_.directory);
    bytes_ += message.whole.size();
    return open.file->Append(message.whole);
}

Result<Done> Stage::Commit(const BatchView& batch)
{
    const auto found = open_.find(batch.committed.xid);
    if (found == open_.end() || found->second.file == nullptr)
        return Broken("transaction " + std::to_string(batch.committed.xid) +
                      " has committed, and nothing came of it before");
    std::string committed;
    std::string rest;
    bool damaged = false;
    FieldReader field(batch.bytes, &damaged);
    bool whole = true;
    while (field.Next()) {
        if (field.tag() == BytesTag(kCommittedField))
            whole = AppendWithout(field.Bytes(), kStreamedTag, kStreamedTag, &committed) && whole;
        else if (field.tag() == BytesTag(kRecordsField))
            AddRecord(field.Bytes(), &rest);
    }
    if (damaged || !whole || !batch.last)
        return Broken("the commit of a streamed transaction is not whole");
    Open source = std::move(found->second);
    bytes_ -= source.file->size();
    open_.erase(found);
    replay_ = std::make_unique<Replay>(std::move(source), std::move(committed), std::move(rest));
    return Done{};
}

void Stage::Forget(uint32_t xid)
{
    const auto found = open_.find(xid);
    if (found != open_.end() && found->second.file != nullptr)
        bytes_ -= found->second.file->size();
    open_.erase(xid);
}

Result<std::string_view> Stage::Next()
{
    if (!announced_.empty()) {
        message_ = std::move(announced_.front());
        announced_.pop_front();
        return std::string_view(message_);
    }
    if (replay_ == nullptr)
        return std::string_view();
    auto next = replay_->Next();
    if (!next.ok())
        return next.error();
    message_ = std::move(next.value());
    if (message_.empty())
        replay_.reset();
    return std::string_view(message_);
}

void Stage::Clear()
{
    open_.clear();
    announced_.clear();
    replay_.reset();
    bytes_ = 0;
}

} // namespace wal2lake
