// The stage of transactions in progress, fed anything that a stream may hold: what
// it hands on is what a stream without them holds, and nothing of it stays behind.
#include "stage.h"

#include "fuzz.h"
#include "messages.h"
#include "segments.h"

namespace wal2lake::fuzz
{
namespace
{

// A batch of relations, or one of a committed transaction: whether more of that one must follow.
bool CheckHandedOn(std::string_view message)
{
    MessageView view;
    size_t consumed = 0;
    BatchView batch;
    FUZZ_CHECK(NextMessage(message, &view, &consumed).ok() && consumed == message.size());
    FUZZ_CHECK(ScanBatch(view.batch, &batch).ok());
    FUZZ_CHECK(batch.kind == BatchKind::kNone || batch.kind == BatchKind::kCommitted);
    FUZZ_CHECK(!batch.committed.streamed);
    RecordCursor cursor(batch);
    RecordView record;
    ReadResult next;
    while ((next = cursor.Next(&record)).ok()) {
        // The last batch holds what came with the commit, too, whatever that was.
        if (batch.kind == BatchKind::kCommitted && !batch.last)
            FUZZ_CHECK(record.subxid == 0 && record.kind != RecordKind::kRelation &&
                       record.kind != RecordKind::kSkipped && record.kind != RecordKind::kStreamAbort);
    }
    FUZZ_CHECK(!next.damaged());
    return batch.kind == BatchKind::kCommitted && !batch.last;
}

} // namespace

void Target(std::string_view input)
{
    constexpr uint64_t kMaxSize = 4096;
    Stage stage({"/tmp", kMaxSize});
    for (const std::string_view piece : Pieces(input)) {
        const std::string message = MessageAround(piece);
        const auto taken = stage.Take(message);
        FUZZ_CHECK(taken.ok() || !taken.error().text.empty());
        FUZZ_CHECK(stage.bytes() <= kMaxSize);
        if (!taken.ok())
            break;
        FUZZ_CHECK(taken.value() || !stage.ready());
        bool open = false;
        while (stage.ready()) {
            const auto next = stage.Next();
            // What was written is what is read: it was looked at before.
            FUZZ_CHECK(next.ok());
            if (!next.value().empty())
                open = CheckHandedOn(next.value());
        }
        FUZZ_CHECK(!open && (stage.transactions() != 0 || stage.bytes() == 0));
    }
    stage.Clear();
    FUZZ_CHECK(!stage.ready() && stage.bytes() == 0 && stage.transactions() == 0);
}

} // namespace wal2lake::fuzz
