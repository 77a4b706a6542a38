#include "segment_reader.h"

#include <algorithm>

#include <zstd.h>

#include "digest.h"
#include "lsn.h"
#include "segment_writer.h"

namespace wal2lake
{
namespace
{

// Envelope frames hold a few fields for each table; this is far beyond.
constexpr uint32_t kMaxEnvelopeBytes = uint32_t{64} << 20;
constexpr size_t kFrameHead = 8;
// Behind the footer's message: its length and W2LF.
constexpr size_t kFooterTail = 8;
constexpr size_t kOutputStep = size_t{256} << 10;
constexpr size_t kPartStep = size_t{1} << 20;
constexpr size_t kSha256Bytes = 32;
constexpr uint32_t kZstdMagic = ZSTD_MAGICNUMBER;

uint32_t LittleEndian32(std::string_view bytes)
{
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++)
        value |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    return value;
}

// Reads what the footer's frame holds; why not, or nullptr.
const char* ParseFooterPayload(std::string_view payload, wal2lake::v1::SegmentFooter* footer)
{
    if (payload.size() < kFooterTail || !payload.ends_with(kFooterTag) ||
        LittleEndian32(payload.substr(payload.size() - kFooterTail)) != payload.size() - kFooterTail)
        return "footer does not end with its length and W2LF";
    payload.remove_suffix(kFooterTail);
    if (!footer->ParseFromArray(payload.data(), static_cast<int>(payload.size())))
        return "footer is not a valid protobuf message";
    // Its end decides where the log goes on, and may lie behind the last
    // transaction: nothing else in the file would tell that it is wrong.
    if (payload.size() < kFooterChecksumBytes ||
        footer->footer_xxh3_64() != Xxh64(payload.substr(0, payload.size() - kFooterChecksumBytes)))
        return "XXH3-64 of the footer does not match it";
    return nullptr;
}

} // namespace

struct SegmentReader::State {
    enum class Phase { kHeader, kBetween, kData, kDone };

    OnMessage on_message;
    ReadPart read_part;
    Phase phase = Phase::kHeader;
    wal2lake::v1::SegmentHeader header;
    wal2lake::v1::SegmentFooter footer;
    bool has_header = false;

    RunningDigest digest;
    uint64_t offset = 0;
    // Bytes of the file that could not be used yet.
    std::string input;
    ZSTD_DCtx* context = ZSTD_createDCtx();
    // Decompressed bytes that are no whole message yet.
    std::string plain;

    RelationMap relations;
    TransactionTally tally;
    bool transaction_open = false;
    uint64_t transactions = 0;
    uint64_t message_bytes = 0;
    uint64_t messages = 0;
    CommittedView committed;
    int64_t first_commit_time_us = 0;
    int64_t last_commit_time_us = 0;
    CountsByTable counts;

    ~State() { ZSTD_freeDCtx(context); }

    Error Damage(const std::string& reason) const
    {
        return {ErrorKind::kDamaged, "offset " + std::to_string(offset) + ": " + reason};
    }

    // Marks the first `size` bytes of `input` as done.
    void Consume(size_t size, bool for_xxh128)
    {
        digest.Update(std::string_view(input).substr(0, size), for_xxh128);
        offset += size;
        input.erase(0, size);
    }

    // kOk(true): made progress. kOk(false): needs more input.
    Result<bool> Step();
    Result<bool> ReadHeader();
    Result<bool> ReadFooter();
    Result<bool> ReadData();
    // Decompresses from `data` on, `*used` bytes of it; true where a frame has ended.
    Result<bool> Decompress(std::string_view data, size_t* used);
    Result<Done> ReadParts();
    Result<Done> ReadOnePart(const wal2lake::v1::Part& part);
    Result<Done> TakeMessages();
    Result<Done> TakeMessage(const MessageView& message);
    Result<Done> CompareFooter() const;
};

Result<bool> SegmentReader::State::Step()
{
    if (phase == Phase::kDone)
        return false;
    if (phase == Phase::kData)
        return ReadData();
    if (input.size() < kFrameHead)
        return false;
    const uint32_t magic = LittleEndian32(input);
    if (phase == Phase::kHeader) {
        if (magic != kHeaderFrameMagic)
            return Damage("this is not a segment: the header's frame is missing");
        return ReadHeader();
    }
    if (magic == kFooterFrameMagic)
        return ReadFooter();
    if (magic != kZstdMagic)
        return Damage("neither a zstd frame nor the footer begins here");
    phase = Phase::kData;
    return true;
}

Result<bool> SegmentReader::State::ReadHeader()
{
    const uint32_t size = LittleEndian32(std::string_view(input).substr(4));
    if (size > kMaxEnvelopeBytes || size < kHeaderTag.size())
        return Damage("size of the header is not plausible");
    if (input.size() < kFrameHead + size)
        return false;
    const std::string_view payload = std::string_view(input).substr(kFrameHead, size);
    if (!payload.starts_with(kHeaderTag))
        return Damage("header does not begin with W2LH");
    if (!header.ParseFromArray(payload.data() + kHeaderTag.size(),
                               static_cast<int>(payload.size() - kHeaderTag.size())))
        return Damage("header is not a valid protobuf message");
    if (header.format_version() == 0 || header.format_version() > kSegmentFormatVersion)
        return Damage("format version " + std::to_string(header.format_version()) +
                      " is not known; this command reads up to " + std::to_string(kSegmentFormatVersion));
    has_header = true;
    Consume(kFrameHead + size, true);
    phase = Phase::kBetween;
    return true;
}

Result<bool> SegmentReader::State::ReadData()
{
    if (input.empty())
        return false;
    size_t used = 0;
    const size_t before = plain.size();
    const auto ended = Decompress(input, &used);
    if (!ended.ok())
        return ended.error();
    const bool progress = used > 0 || plain.size() > before;
    Consume(used, true);
    if (ended.value())
        phase = Phase::kBetween;
    const auto taken = TakeMessages();
    if (!taken.ok())
        return taken.error();
    return progress;
}

Result<bool> SegmentReader::State::Decompress(std::string_view data, size_t* used)
{
    ZSTD_inBuffer in{data.data(), data.size(), 0};
    const size_t before = plain.size();
    plain.resize(before + kOutputStep);
    ZSTD_outBuffer out{plain.data() + before, kOutputStep, 0};
    const size_t code = ZSTD_decompressStream(context, &out, &in);
    plain.resize(before + out.pos);
    if (ZSTD_isError(code) != 0)
        return Damage(std::string("zstd frame is damaged: ") + ZSTD_getErrorName(code));
    *used = in.pos;
    return code == 0;
}

// What the footer lists, after the file itself: its messages go on there.
Result<Done> SegmentReader::State::ReadParts()
{
    for (const auto& part : footer.parts()) {
        if (part.name().empty() || part.sha256().size() != kSha256Bytes)
            return Damage("the footer lists a part without name or hash");
        const auto read = ReadOnePart(part);
        if (!read.ok())
            return Error{read.error().kind, part.name() + ": " + read.error().text};
    }
    return Done{};
}

Result<Done> SegmentReader::State::ReadOnePart(const wal2lake::v1::Part& part)
{
    const auto damage = [](const std::string& reason) { return Error{ErrorKind::kDamaged, reason}; };
    RunningDigest part_digest;
    uint64_t position = 0;
    bool between_frames = true;
    for (;;) {
        const auto piece = read_part(part.name(), position, kPartStep);
        if (!piece.ok())
            return piece.error();
        std::string_view rest = piece.value();
        position += rest.size();
        part_digest.Update(rest, false);
        // Also what zstd has taken and not given back yet.
        while (!rest.empty() || !between_frames) {
            size_t used = 0;
            const size_t before = plain.size();
            const auto ended = Decompress(rest, &used);
            if (!ended.ok())
                return ended.error();
            rest.remove_prefix(used);
            between_frames = ended.value();
            const bool progress = used > 0 || plain.size() > before;
            const auto taken = TakeMessages();
            if (!taken.ok())
                return taken.error();
            if (!progress)
                break;
        }
        if (piece.value().size() < kPartStep)
            break;
    }
    if (position != part.bytes())
        return damage("has " + std::to_string(position) + " bytes, the segment lists " +
                      std::to_string(part.bytes()));
    if (part_digest.FinishSha256() != part.sha256())
        return damage("SHA-256 is not what the segment lists");
    if (!between_frames || !plain.empty())
        return damage("the last message or zstd frame is cut short");
    return Done{};
}

Result<Done> SegmentReader::State::TakeMessages()
{
    size_t position = 0;
    for (;;) {
        MessageView message;
        size_t consumed = 0;
        const ReadResult next = NextMessage(std::string_view(plain).substr(position), &message, &consumed);
        position += consumed;
        if (next.damaged())
            return Damage(std::string("message ") + std::to_string(messages + 1) + ": " + next.reason);
        if (!next.ok())
            break;
        messages++;
        auto taken = TakeMessage(message);
        if (!taken.ok())
            return taken;
    }
    plain.erase(0, position);
    return Done{};
}

Result<Done> SegmentReader::State::TakeMessage(const MessageView& message)
{
    const std::string where = "message " + std::to_string(messages) + ": ";
    BatchView batch;
    const ReadResult scanned = ScanBatch(message.batch, &batch);
    if (!scanned.ok())
        return Damage(where + scanned.reason);
    message_bytes += message.whole.size();
    if (batch.kind == BatchKind::kNone) {
        if (transaction_open)
            return Damage(where + "relations stand inside a transaction");
        const auto announced = relations.AnnounceAll(batch);
        if (!announced.ok())
            return Damage(where + announced.error().text);
    } else if (batch.placed()) {
        const CommittedView& now = batch.committed;
        if (transaction_open && now.end_lsn != committed.end_lsn)
            return Damage(where + "the transaction before has no last batch");
        if (!transaction_open && now.commit_lsn < std::max(committed.end_lsn, header.start_lsn()))
            return Damage(where + "transaction at " + FormatLsn(now.commit_lsn) + " is out of order");
        if (now.end_lsn <= now.commit_lsn)
            return Damage(where + "transaction at " + FormatLsn(now.commit_lsn) + " does not end after it");
        committed = now;
        const auto tallied = tally.AddBatch(batch, &relations);
        if (!tallied.ok())
            return Damage(where + tallied.error().text);
        transaction_open = !batch.last;
        if (batch.last) {
            if (first_commit_time_us == 0)
                first_commit_time_us = now.commit_time_us;
            if (now.commit_time_us != 0)
                last_commit_time_us = now.commit_time_us;
            transactions++;
            tally.AddTo(&counts);
            tally.Clear();
        }
    } else {
        return Damage(where + "batch is of a kind that segments do not hold");
    }
    return on_message ? on_message(message, batch) : Result<Done>(Done{});
}

Result<bool> SegmentReader::State::ReadFooter()
{
    const uint32_t size = LittleEndian32(std::string_view(input).substr(4));
    if (size > kMaxEnvelopeBytes || size < kFooterTail)
        return Damage("size of the footer is not plausible");
    if (input.size() < kFrameHead + size)
        return false;
    const char* wrong = ParseFooterPayload(std::string_view(input).substr(kFrameHead, size), &footer);
    if (wrong != nullptr)
        return Damage(wrong);
    if (footer.xxh3_128() != digest.CurrentXxh128())
        return Damage("XXH3-128 of the file does not match the footer");
    if (footer.parts_size() == 0 || read_part) {
        const auto read = ReadParts();
        if (!read.ok())
            return read.error();
        const auto compared = CompareFooter();
        if (!compared.ok())
            return compared.error();
    } else if (transactions > 0 || transaction_open || footer.transactions() != 1 ||
               footer.end_lsn() <= header.start_lsn()) {
        return Damage("a segment that lists parts must hold one transaction, and none of it itself");
    }
    Consume(kFrameHead + size, false);
    phase = Phase::kDone;
    return true;
}

Result<Done> SegmentReader::State::CompareFooter() const
{
    if (!plain.empty())
        return Damage("the last message is cut short");
    if (transaction_open)
        return Damage("the last transaction has no last batch");
    if (footer.transactions() != transactions)
        return Damage("footer counts " + std::to_string(footer.transactions()) + " transactions, found " +
                      std::to_string(transactions));
    if (footer.message_bytes() != message_bytes)
        return Damage("footer counts " + std::to_string(footer.message_bytes()) + " message bytes, found " +
                      std::to_string(message_bytes));
    if (footer.end_lsn() < std::max(committed.end_lsn, header.start_lsn()))
        return Damage("footer ends at " + FormatLsn(footer.end_lsn()) + ", before what the segment holds");
    if (footer.first_commit_time_us() != first_commit_time_us ||
        footer.last_commit_time_us() != last_commit_time_us)
        return Damage("commit times in the footer do not match the transactions");
    CountsByTable stated;
    for (const auto& entry : footer.counts())
        stated[{entry.oid(), entry.namespace_(), entry.name()}].Add(
            {entry.inserts(), entry.updates(), entry.deletes(), entry.truncates()});
    if (stated != counts)
        return Damage("counts per table in the footer do not match the records");
    return Done{};
}

SegmentReader::SegmentReader(OnMessage on_message, ReadPart read_part) : state_(std::make_unique<State>())
{
    state_->on_message = std::move(on_message);
    state_->read_part = std::move(read_part);
}

SegmentReader::~SegmentReader() = default;

Result<Done> SegmentReader::Feed(std::string_view bytes, size_t* used)
{
    state_->input += bytes;
    for (;;) {
        const auto stepped = state_->Step();
        if (!stepped.ok())
            return stepped.error();
        if (!stepped.value())
            break;
    }
    *used = bytes.size();
    if (complete()) {
        *used -= state_->input.size();
        state_->input.clear();
    }
    return Done{};
}

Result<Done> SegmentReader::Finish() const
{
    if (complete())
        return Done{};
    Error error = state_->Damage("");
    error.text = "offset " + std::to_string(state_->offset + state_->input.size()) +
                 ": the file ends before the footer is complete";
    return error;
}

bool SegmentReader::complete() const
{
    return state_->phase == State::Phase::kDone;
}

bool SegmentReader::has_header() const
{
    return state_->has_header;
}

const wal2lake::v1::SegmentHeader& SegmentReader::header() const
{
    return state_->header;
}

const wal2lake::v1::SegmentFooter& SegmentReader::footer() const
{
    return state_->footer;
}

std::string SegmentReader::FinishSha256()
{
    return state_->digest.FinishSha256();
}

Result<SegmentFacts> CheckSegment(std::string_view file, SegmentReader::OnMessage on_message,
                                  SegmentReader::ReadPart read_part)
{
    SegmentReader reader(std::move(on_message), std::move(read_part));
    constexpr size_t kPiece = size_t{256} << 10;
    for (size_t position = 0; position < file.size() && !reader.complete();) {
        size_t used = 0;
        const auto fed = reader.Feed(file.substr(position, kPiece), &used);
        if (!fed.ok())
            return fed.error();
        position += used;
        if (reader.complete() && position < file.size())
            return Error{ErrorKind::kDamaged,
                         "offset " + std::to_string(position) + ": bytes follow the footer"};
    }
    const auto finished = reader.Finish();
    if (!finished.ok())
        return finished.error();
    return SegmentFacts{reader.header(), reader.footer(), reader.FinishSha256()};
}

Result<wal2lake::v1::SegmentFooter> ParseFooter(std::string_view end_of_file, size_t* needed)
{
    const auto damage = [](const std::string& reason) {
        return Error{ErrorKind::kDamaged, "this is not a whole segment: " + reason};
    };
    *needed = 0;
    if (end_of_file.size() < kFrameHead + kFooterTail || !end_of_file.ends_with(kFooterTag))
        return damage("it does not end with a footer");
    const uint32_t body = LittleEndian32(end_of_file.substr(end_of_file.size() - kFooterTail));
    if (body > kMaxEnvelopeBytes)
        return damage("size of the footer is not plausible");
    const size_t whole = kFrameHead + body + kFooterTail;
    if (whole > end_of_file.size()) {
        *needed = whole;
        return damage("the footer's frame is cut short");
    }
    end_of_file.remove_prefix(end_of_file.size() - whole);
    if (LittleEndian32(end_of_file) != kFooterFrameMagic ||
        LittleEndian32(end_of_file.substr(4)) != body + kFooterTail)
        return damage("the footer is not in its frame");
    wal2lake::v1::SegmentFooter footer;
    const char* wrong = ParseFooterPayload(end_of_file.substr(kFrameHead), &footer);
    if (wrong != nullptr)
        return damage(wrong);
    return footer;
}

bool LooksLikeSegment(std::string_view bytes)
{
    return bytes.size() >= 4 && LittleEndian32(bytes) == kHeaderFrameMagic;
}

} // namespace wal2lake
