// Builds messages through the w2l_batch_* calls the way the plugin does: room is
// made by the bounds before each append. For the tests of the encoder.
#pragma once

#include "core/record.h"

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace wal2lake
{

inline w2l_value Marker(w2l_value_kind kind)
{
    w2l_value value = {};
    value.kind = static_cast<uint8_t>(kind);
    return value;
}
inline w2l_value Null()
{
    return Marker(W2L_VALUE_NULL);
}
inline w2l_value Unchanged()
{
    return Marker(W2L_VALUE_UNCHANGED);
}
inline w2l_value Chunked()
{
    return Marker(W2L_VALUE_CHUNKED);
}
inline w2l_value Withheld()
{
    return Marker(W2L_VALUE_WITHHELD);
}

inline w2l_value Int(int64_t number, w2l_value_kind kind = W2L_VALUE_INT)
{
    w2l_value value = Marker(kind);
    value.integer = number;
    return value;
}
inline w2l_value Bool(bool truth)
{
    return Int(truth, W2L_VALUE_BOOL);
}
inline w2l_value Float64(double number)
{
    w2l_value value = Marker(W2L_VALUE_FLOAT64);
    value.float64 = number;
    return value;
}
inline w2l_value Float32(float number)
{
    w2l_value value = Marker(W2L_VALUE_FLOAT32);
    value.float32 = number;
    return value;
}
// The view must outlive the value.
inline w2l_value OfBytes(w2l_value_kind kind, std::string_view bytes)
{
    w2l_value value = Marker(kind);
    value.bytes = bytes.data();
    value.length = bytes.size();
    return value;
}
inline w2l_value Text(std::string_view bytes)
{
    return OfBytes(W2L_VALUE_TEXT, bytes);
}
inline w2l_value Token(std::string_view sixteen_bytes)
{
    w2l_value value = Marker(W2L_VALUE_TOKEN);
    std::memcpy(value.token, sixteen_bytes.data(), W2L_TOKEN_BYTES);
    return value;
}
inline w2l_value Uncarried(w2l_reason reason, int64_t bytes)
{
    w2l_value value = Int(bytes, W2L_VALUE_UNCARRIED);
    value.reason = static_cast<uint8_t>(reason);
    return value;
}
inline w2l_value HashInt(const w2l_domain* domain, int64_t number,
                         w2l_canonical canonical = W2L_CANONICAL_INT)
{
    w2l_value value = Int(number, W2L_VALUE_HASH_INT);
    value.canonical = static_cast<uint8_t>(canonical);
    value.domain = domain;
    return value;
}
inline w2l_value HashBytes(const w2l_domain* domain, w2l_canonical canonical, std::string_view bytes)
{
    w2l_value value = OfBytes(W2L_VALUE_HASH_BYTES, bytes);
    value.canonical = static_cast<uint8_t>(canonical);
    value.domain = domain;
    return value;
}

using Values = std::vector<w2l_value>;

inline w2l_row Row(Values& values)
{
    return {values.data(), values.size()};
}

// One buffer, grown as the plugin grows its own; bytes past `length` are poison.
class BatchBuilder
{
  public:
    void Begin(const w2l_committed& committed)
    {
        Reserve(W2L_BATCH_OVERHEAD);
        ASSERT_EQ(w2l_batch_begin(&batch_, &committed), W2L_OK);
    }
    void BeginInProgress(uint32_t xid)
    {
        Reserve(W2L_BATCH_OVERHEAD);
        EXPECT_EQ(w2l_batch_begin_in_progress(&batch_, xid), W2L_OK);
    }

    void BeginMessage(uint64_t lsn, uint64_t end_lsn)
    {
        Reserve(W2L_BATCH_OVERHEAD);
        EXPECT_EQ(w2l_batch_begin_message(&batch_, lsn, end_lsn), W2L_OK);
    }

    void AppendSkipped(uint32_t subxid, uint64_t changes)
    {
        Reserve(W2L_CONTROL_BOUND);
        EXPECT_EQ(w2l_batch_append_skipped(&batch_, subxid, changes), W2L_OK);
    }

    void AppendStreamAbort(uint32_t subxid)
    {
        Reserve(W2L_CONTROL_BOUND);
        EXPECT_EQ(w2l_batch_append_stream_abort(&batch_, subxid), W2L_OK);
    }

    void Append(const w2l_relation& relation)
    {
        Reserve(w2l_bound_relation(&relation) + W2L_BATCH_OVERHEAD);
        ASSERT_EQ(w2l_batch_append_relation(&batch_, &relation), W2L_OK);
    }
    void Append(const w2l_truncate& truncate)
    {
        Reserve(w2l_bound_truncate(&truncate) + W2L_BATCH_OVERHEAD);
        ASSERT_EQ(w2l_batch_append_truncate(&batch_, &truncate), W2L_OK);
    }
    void Append(const w2l_ddl& ddl)
    {
        Reserve(w2l_bound_ddl(&ddl) + W2L_BATCH_OVERHEAD);
        ASSERT_EQ(w2l_batch_append_ddl(&batch_, &ddl), W2L_OK);
    }
    void Append(const w2l_message& message)
    {
        Reserve(w2l_bound_message(&message) + W2L_BATCH_OVERHEAD);
        ASSERT_EQ(w2l_batch_append_message(&batch_, &message), W2L_OK);
    }
    void Append(const std::vector<w2l_relation_stats>& stats)
    {
        Reserve(w2l_bound_stats(stats.data(), stats.size()) + W2L_BATCH_OVERHEAD);
        ASSERT_EQ(w2l_batch_append_stats(&batch_, stats.data(), stats.size()), W2L_OK);
    }
    void Append(const w2l_chunk& chunk)
    {
        Reserve(w2l_bound_chunk(&chunk) + W2L_BATCH_OVERHEAD);
        ASSERT_EQ(w2l_batch_append_chunk(&batch_, &chunk), W2L_OK);
    }
    void Append(w2l_change change)
    {
        Reserve(w2l_bound_change(&change) + W2L_BATCH_OVERHEAD);
        ASSERT_EQ(w2l_batch_append_change(&batch_, &change), W2L_OK);
    }
    // The message, or "" and a failed test.
    std::string Finish(bool last)
    {
        const uint8_t* message = nullptr;
        size_t length = 0;
        w2l_status status = w2l_batch_finish(&batch_, last, &message, &length);
        EXPECT_EQ(status, W2L_OK);
        if (status != W2L_OK)
            return "";
        return {reinterpret_cast<const char*>(message), length};
    }
    w2l_batch& batch() { return batch_; }

  private:
    void Reserve(size_t more)
    {
        std::vector<uint8_t> moved(batch_.length + more, 0xa5);
        if (batch_.length > 0)
            std::memcpy(moved.data(), batch_.data, batch_.length);
        buffer_.swap(moved);
        batch_.data = buffer_.data();
        batch_.capacity = buffer_.size();
    }

    std::vector<uint8_t> buffer_;
    w2l_batch batch_ = {};
};

} // namespace wal2lake
