// Makes messages with protoc's classes, the independent implementation, for the
// tests of everything that reads frames.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <xxhash.h>

#include "wal2lake/v1/wal2lake.pb.h"

namespace wal2lake::test
{

inline std::string Varint(uint64_t value)
{
    std::string text;
    for (; value >= 0x80; value >>= 7)
        text += static_cast<char>(0x80 | (value & 0x7f));
    return text + static_cast<char>(value);
}

inline std::string Frame(std::string_view batch)
{
    v1::Frame frame;
    frame.set_checksum(XXH3_64bits(batch.data(), batch.size()));
    frame.set_batch(std::string(batch));
    return frame.SerializeAsString();
}

inline std::string Message(const v1::Batch& batch)
{
    const std::string frame = Frame(batch.SerializeAsString());
    return Varint(frame.size()) + frame;
}

inline void AddRelation(v1::Batch* batch, uint32_t id, const std::string& name)
{
    auto* relation = batch->add_records()->mutable_relation();
    relation->set_id(id);
    relation->set_schema_id(1000 + id);
    relation->set_oid(16000 + id);
    relation->set_namespace_("public");
    relation->set_name(name);
    auto* column = relation->add_columns();
    column->set_attnum(1);
    column->set_name("id");
    column->set_is_key(true);
    column->set_action(v1::ACTION_CLEAR);
    column->set_encoding(v1::ENCODING_INT);
}

inline void AddInsert(v1::Batch* batch, uint64_t ordinal, uint32_t relation_id, int64_t value)
{
    auto* record = batch->add_records();
    record->set_ordinal(ordinal);
    auto* change = record->mutable_change();
    change->set_relation_id(relation_id);
    change->set_operation(v1::OPERATION_INSERT);
    change->mutable_new_()->add_values()->set_int_(value);
}

inline v1::Batch Committed(uint32_t xid, uint64_t commit_lsn, uint64_t end_lsn, bool last = true)
{
    v1::Batch batch;
    auto* committed = batch.mutable_committed();
    committed->set_xid(xid);
    committed->set_commit_lsn(commit_lsn);
    committed->set_end_lsn(end_lsn);
    committed->set_commit_time_us(static_cast<int64_t>(end_lsn) * 1000);
    batch.set_last(last);
    return batch;
}

// A message that belongs to no transaction.
inline std::string LoneMessage(uint64_t lsn, uint64_t end_lsn)
{
    v1::Batch batch;
    batch.mutable_message()->set_lsn(lsn);
    batch.mutable_message()->set_end_lsn(end_lsn);
    batch.set_last(true);
    auto* record = batch.add_records();
    record->set_ordinal(1);
    record->mutable_message()->set_prefix("app");
    record->mutable_message()->set_content("text");
    record->mutable_message()->set_total(4);
    return Message(batch);
}

// A transaction of one batch with `rows` inserts into relation 1, which it
// announces where `announce`.
inline std::string Transaction(uint32_t xid, uint64_t commit_lsn, uint64_t end_lsn, bool announce = true,
                               int rows = 1)
{
    v1::Batch batch = Committed(xid, commit_lsn, end_lsn);
    if (announce)
        AddRelation(&batch, 1, "users");
    for (int i = 0; i < rows; i++)
        AddInsert(&batch, static_cast<uint64_t>(i) + 1, 1, static_cast<int64_t>(xid) * 1000 + i);
    return Message(batch);
}

} // namespace wal2lake::test
