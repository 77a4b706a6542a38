// Records of any kind and size, the same for a seed: for tests of what must hold for
// all of them.
#pragma once

#include "core/record.h"

#include "batch_builder.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace wal2lake
{

// What a record points to is good until the next one of its kind is asked for.
class RandomRecords
{
  public:
    explicit RandomRecords(uint32_t seed) : random_(seed)
    {
        static const uint8_t kKey[32] = {1, 2, 3};
        EXPECT_EQ(w2l_tokenizer_new(kKey, &tokenizer_), W2L_OK);
        EXPECT_EQ(w2l_tokenizer_domain(tokenizer_, "d", 1, &domain_), W2L_OK);
    }
    ~RandomRecords() { w2l_tokenizer_free(tokenizer_); }
    RandomRecords(const RandomRecords&) = delete;
    RandomRecords& operator=(const RandomRecords&) = delete;

    size_t Below(size_t bound) { return random_() % bound; }

    // Any width of varint is as likely as another.
    uint64_t Number() { return random_() >> Below(64); }

    // Printable, so that it is text as well as bytes; kept until the next Change().
    std::string_view Bytes()
    {
        static const size_t kLimits[] = {1, 4, 40, 130, 300, 17000};
        size_t length = Below(kLimits[Below(Below(50) == 0 ? 6 : 5)]);
        std::string& text = *texts_.emplace_back(std::make_unique<std::string>(length, ' '));
        for (char& c : text)
            c = static_cast<char>(' ' + Below(95));
        return text;
    }
    const char* Name()
    {
        std::string& text = *texts_.emplace_back(
            std::make_unique<std::string>(Below(2) == 0 ? "" : std::string(Below(200), 'n')));
        return text.c_str();
    }

    w2l_value Value()
    {
        auto kind = static_cast<w2l_value_kind>(Below(W2L_VALUE_HASH_BYTES + 1));
        int64_t number = static_cast<int64_t>(Number()) * (Below(2) == 0 ? 1 : -1);
        switch (kind) {
        case W2L_VALUE_TEXT:
        case W2L_VALUE_BYTES:
        case W2L_VALUE_NUMERIC:
            return OfBytes(kind, Bytes());
        case W2L_VALUE_TOKEN:
            return Token(std::string(16, static_cast<char>(random_())));
        case W2L_VALUE_FLOAT64:
            return Float64(static_cast<double>(number) / 7);
        case W2L_VALUE_FLOAT32:
            return Float32(static_cast<float>(number) / 7);
        case W2L_VALUE_BOOL:
            return Bool(number % 2 != 0);
        case W2L_VALUE_UNCARRIED:
            return Uncarried(static_cast<w2l_reason>(Below(4)), number);
        case W2L_VALUE_HASH_INT:
            return HashInt(domain_, number, Below(2) == 0 ? W2L_CANONICAL_INT : W2L_CANONICAL_TIMESTAMP);
        case W2L_VALUE_HASH_BYTES:
            return HashBytes(domain_, Below(2) == 0 ? W2L_CANONICAL_TEXT : W2L_CANONICAL_BPCHAR, Bytes());
        default:
            return Int(number, kind);
        }
    }
    w2l_change Change()
    {
        texts_.clear();
        w2l_change change = {};
        change.ordinal = std::max<uint64_t>(Number(), 1);
        change.relation_id = std::max<uint32_t>(static_cast<uint32_t>(Number()), 1);
        change.operation = static_cast<w2l_operation>(1 + Below(3));
        Fill(&new_);
        Fill(&old_);
        change.has_new = Below(4) != 0;
        change.new_row = Row(new_);
        change.old_kind = static_cast<w2l_old_kind>(Below(3));
        change.old_row = Row(old_);
        change.subxid = Below(2) == 0 ? 0 : Small();
        return change;
    }
    w2l_relation Relation()
    {
        texts_.clear();
        columns_.resize(Below(30));
        missing_.resize(columns_.size());
        for (size_t i = 0; i < columns_.size(); ++i) {
            missing_[i] = Value();
            columns_[i] = {Small(),
                           Name(),
                           Small(),
                           Name(),
                           static_cast<int32_t>(Small()),
                           Small(),
                           Small(),
                           Below(2) == 0,
                           static_cast<w2l_class>(Below(6)),
                           static_cast<w2l_action>(Below(4)),
                           Name(),
                           static_cast<w2l_encoding>(1 + Below(15)),
                           Below(3) == 0 ? &missing_[i] : nullptr};
        }
        return {Small(),         Small(),         Name(), Name(),
                Small(),         Name(),          Name(), static_cast<w2l_replica_identity>(1 + Below(4)),
                columns_.data(), columns_.size(), Name()};
    }
    w2l_chunk Chunk()
    {
        static const w2l_value_kind kKinds[] = {W2L_VALUE_TEXT, W2L_VALUE_BYTES, W2L_VALUE_NUMERIC};
        texts_.clear();
        const std::string_view bytes = Bytes();
        const uint64_t offset = Number() >> 1;
        const uint64_t behind = Below(2) == 0 ? 0 : Number() >> 2;
        return {Number(),         Small(), static_cast<w2l_side>(1 + Below(2)), Small(),
                kKinds[Below(3)], offset,  offset + bytes.size() + behind,      bytes.data(),
                bytes.size(),     Small()};
    }
    w2l_truncate Truncate()
    {
        ids_.resize(1 + Below(300));
        for (uint32_t& id : ids_)
            id = Small();
        return {Number(), ids_.data(), ids_.size(), Below(2) == 0, Below(2) == 0, Small()};
    }
    w2l_ddl Ddl()
    {
        texts_.clear();
        return {Number(), static_cast<w2l_ddl_kind>(Below(W2L_DDL_SET_UNLOGGED + 1)),
                Small(),  Name(),
                Name(),   Small(),
                Name(),   Name(),
                Small(),  Name(),
                Name(),   Small()};
    }
    w2l_message Message()
    {
        texts_.clear();
        const std::string_view bytes = Bytes();
        const uint64_t offset = Number() >> 1;
        return {Number(),     Name(),       offset, offset + bytes.size() + Below(2),
                bytes.data(), bytes.size(), Small()};
    }
    std::vector<w2l_relation_stats> Stats()
    {
        texts_.clear();
        std::vector<w2l_relation_stats> stats(1 + Below(20));
        for (w2l_relation_stats& entry : stats)
            entry = {std::max(Small(), 1u), Name(), Name(), Number(), Number(), Number()};
        return stats;
    }
    const w2l_domain* domain() const { return domain_; }

  private:
    uint32_t Small() { return static_cast<uint32_t>(Number()); }
    void Fill(Values* values)
    {
        values->resize(Below(Below(10) == 0 ? 300 : 12));
        for (w2l_value& value : *values)
            value = Value();
    }

    std::mt19937_64 random_;
    w2l_tokenizer* tokenizer_ = nullptr;
    const w2l_domain* domain_ = nullptr;
    std::vector<std::unique_ptr<std::string>> texts_;
    Values new_, old_, missing_;
    std::vector<w2l_column> columns_;
    std::vector<uint32_t> ids_;
};

} // namespace wal2lake
