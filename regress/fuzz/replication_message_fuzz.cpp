// CopyData of a walsender, against the protocol's layout written down once more.
#include "core/frame_reader.h"
#include "fuzz.h"
#include "replication_message.h"

namespace wal2lake::fuzz
{

void Target(std::string_view input)
{
    const auto message = ParseReplicationMessage(input);
    const char kind = input.empty() ? '\0' : input[0];
    FUZZ_CHECK(message.has_value() ==
               ((kind == 'w' && input.size() >= 25) || (kind == 'k' && input.size() >= 18)));
    if (!message)
        return;
    if (kind == 'w') {
        FUZZ_CHECK(message->kind == ReplicationMessage::Kind::kData);
        FUZZ_CHECK(message->payload.size() == input.size() - 25);
        FUZZ_CHECK(message->payload.data() == input.data() + 25);
        MessageView view;
        size_t consumed = 0;
        (void)NextMessage(message->payload, &view, &consumed);
        FUZZ_CHECK(consumed <= message->payload.size());
        return;
    }
    FUZZ_CHECK(message->kind == ReplicationMessage::Kind::kKeepalive && message->payload.empty());
    for (size_t i = 0; i < 8; i++)
        FUZZ_CHECK(static_cast<uint8_t>(message->wal_end >> (56 - 8 * i)) ==
                   static_cast<uint8_t>(input[1 + i]));
    FUZZ_CHECK(message->reply_requested == (input[17] != '\0'));
}

} // namespace wal2lake::fuzz
