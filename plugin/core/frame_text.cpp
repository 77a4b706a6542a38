#include "core/frame_text.h"

#include "core/frame_reader.h"
#include "core/guard.h"
#include "core/record_text.h"

#include <memory>
#include <string>
#include <string_view>

using namespace wal2lake;

namespace
{

void AddBatchHeader(const BatchView& batch, Lines* lines)
{
    if (batch.kind == BatchKind::kInProgress) {
        lines->Start().Add("in progress");
        if (lines->positions())
            lines->Add(" xid=").Add(batch.in_progress_xid);
    }
    if (batch.kind == BatchKind::kMessage) {
        lines->Start().Add("message of no transaction");
        if (lines->positions())
            lines->Add(" lsn=").AddLsn(batch.committed.commit_lsn);
        if (lines->positions())
            lines->Add(" end_lsn=").AddLsn(batch.committed.end_lsn);
    }
    if (batch.kind != BatchKind::kCommitted)
        return;
    lines->Start().Add(batch.committed.streamed ? "transaction, streamed" : "transaction");
    if (lines->positions()) {
        lines->Add(" xid=").Add(batch.committed.xid);
        lines->Add(" commit_lsn=").AddLsn(batch.committed.commit_lsn);
        lines->Add(" end_lsn=").AddLsn(batch.committed.end_lsn);
        lines->Add(" commit_time_us=").AddSigned(batch.committed.commit_time_us);
    }
}

ReadResult AddBatch(std::string_view bytes, Relations* relations, Lines* lines)
{
    BatchView batch;
    ReadResult result = ScanBatch(bytes, &batch);
    if (!result.ok())
        return result;
    AddBatchHeader(batch, lines);
    RecordCursor cursor(batch);
    RecordView record;
    while ((result = cursor.Next(&record)).ok())
        AddRecord(record, relations, lines);
    if (result.damaged())
        return result;
    if (lines->damaged())
        return {ReadStatus::kDamaged, "a record is malformed"};
    lines->Start().Add(batch.last ? "end" : "more");
    return {};
}

} // namespace

struct w2l_frame_text {
    Relations relations;
    std::string text;
};

extern "C" w2l_status w2l_frame_text_new(w2l_frame_text** out) noexcept
{
    return Guarded([&]() -> w2l_status {
        *out = std::make_unique<w2l_frame_text>().release();
        return W2L_OK;
    });
}

extern "C" void w2l_frame_text_free(w2l_frame_text* renderer) noexcept
{
    delete renderer;
}

extern "C" w2l_status w2l_frame_text_render(w2l_frame_text* renderer, const char* bytes, size_t length,
                                            bool positions, const char** text, const char** reason) noexcept
{
    *reason = "";
    return Guarded([&]() -> w2l_status {
        Lines lines(positions);
        std::string_view rest(bytes, length);
        for (;;) {
            MessageView message;
            size_t consumed = 0;
            ReadResult result = NextMessage(rest, &message, &consumed);
            rest.remove_prefix(result.damaged() ? 0 : consumed);
            if (result.status == ReadStatus::kNeedMore && rest.empty())
                break;
            if (result.status == ReadStatus::kNeedMore)
                result = {ReadStatus::kDamaged, "the bytes end inside a message"};
            if (result.ok())
                result = AddBatch(message.batch, &renderer->relations, &lines);
            if (!result.ok()) {
                *reason = result.reason;
                return W2L_INVALID;
            }
        }
        renderer->text = lines.Take();
        *text = renderer->text.c_str();
        return W2L_OK;
    });
}
