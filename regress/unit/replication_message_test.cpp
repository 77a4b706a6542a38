#include "replication_message.h"

#include <string>

#include <gtest/gtest.h>

#include "core/frame_reader.h"

namespace wal2lake
{
namespace
{

const std::string kClock(8, '\x01');

std::string Data(const std::string& payload)
{
    return "w" + std::string(8, '\x02') + std::string(8, '\x03') + kClock + payload;
}

std::string Keepalive(const std::string& wal_end, char reply)
{
    return "k" + wal_end + kClock + reply;
}

TEST(ReplicationMessage, DataIsWhatFollowsItsHead)
{
    const std::string bytes = Data("frame");
    const auto message = ParseReplicationMessage(bytes);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->kind, ReplicationMessage::Kind::kData);
    EXPECT_EQ(message->payload, "frame");
    EXPECT_EQ(message->payload.data(), bytes.data() + 25);
    EXPECT_EQ(ParseReplicationMessage(Data(""))->payload, "");
}

TEST(ReplicationMessage, KeepaliveSaysHowFarAndWhetherToAnswer)
{
    const std::string wal_end("\x00\x00\x00\x16\xb3\x74\xd8\x48", 8);
    const auto asking = ParseReplicationMessage(Keepalive(wal_end, 1));
    ASSERT_TRUE(asking);
    EXPECT_EQ(asking->kind, ReplicationMessage::Kind::kKeepalive);
    EXPECT_EQ(asking->wal_end, 0x16B374D848U);
    EXPECT_TRUE(asking->reply_requested);
    EXPECT_FALSE(ParseReplicationMessage(Keepalive(wal_end, 0))->reply_requested);
    EXPECT_EQ(ParseReplicationMessage(Keepalive(std::string(8, '\xff'), 0))->wal_end, UINT64_MAX);
    EXPECT_TRUE(ParseReplicationMessage(Keepalive(wal_end, 1) + "more")->reply_requested);
}

TEST(ReplicationMessage, WhatIsCutShortOrUnknownIsNoMessage)
{
    const std::string data = Data("");
    const std::string keepalive = Keepalive(std::string(8, '\0'), 0);
    for (size_t length = 0; length < data.size(); length++)
        EXPECT_FALSE(ParseReplicationMessage(data.substr(0, length))) << length;
    for (size_t length = 0; length < keepalive.size(); length++)
        EXPECT_FALSE(ParseReplicationMessage(keepalive.substr(0, length))) << length;
    EXPECT_FALSE(ParseReplicationMessage("x" + std::string(40, '\0')));
}

TEST(ReplicationMessage, DataLongerThanAnyMessageIsRefused)
{
    EXPECT_TRUE(ParseReplicationMessage(Data(std::string(kMaxMessageBytes, 'x'))));
    EXPECT_FALSE(ParseReplicationMessage(Data(std::string(kMaxMessageBytes + 1, 'x'))));
}

} // namespace
} // namespace wal2lake
