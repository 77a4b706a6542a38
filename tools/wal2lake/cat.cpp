#include "cat.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "core/frame_reader.h"
#include "segment_reader.h"
#include "stage.h"
#include "store/file_store.h"
#include "store/store.h"
#include "trim_mark.h"

namespace wal2lake
{
namespace
{

namespace fs = std::filesystem;

constexpr size_t kPiece = size_t{256} << 10;
constexpr size_t kPieceOfStore = size_t{8} << 20;
constexpr std::string_view kSegmentEnding = ".w2l";
constexpr int kFollowMs = 300;

// One input, which is a segment, several of them one after the other, or frames;
// the first bytes tell.
class Input
{
  public:
    // `read_part` finds the parts that a segment lists.
    Input(RecordPrinter* printer, SegmentReader::ReadPart read_part)
        : printer_(printer), read_part_(std::move(read_part)), stage_({StageDirectory(), UINT64_MAX})
    {
        printer_->Reset();
    }

    Result<Done> Feed(std::string_view bytes)
    {
        while (!bytes.empty()) {
            if (kind_ == Kind::kUnknown) {
                const size_t missing = std::min(bytes.size(), 4 - std::min<size_t>(4, head_.size()));
                head_ += bytes.substr(0, missing);
                bytes.remove_prefix(missing);
                if (head_.size() < 4)
                    return Done{};
                auto begun = Begin();
                if (!begun.ok())
                    return begun;
                continue;
            }
            auto fed = kind_ == Kind::kSegment ? FeedSegment(&bytes) : FeedFrames(&bytes);
            if (!fed.ok())
                return fed;
        }
        return Done{};
    }

    Result<Done> Finish()
    {
        if (kind_ == Kind::kUnknown && !head_.empty()) {
            auto begun = Begin();
            if (!begun.ok())
                return begun;
        }
        if (kind_ == Kind::kSegment)
            return segment_->Finish();
        if (!frames_.empty())
            return messages_ == 0 ? Neither()
                                  : Error{ErrorKind::kDamaged, "offset " + std::to_string(offset_) +
                                                                   ": the last message is cut short"};
        return Done{};
    }

  private:
    enum class Kind { kUnknown, kSegment, kFrames };

    static std::string StageDirectory()
    {
        const char* directory = std::getenv("TMPDIR");
        return directory != nullptr && directory[0] == '/' ? directory : StageConfig().directory;
    }

    static Error Neither()
    {
        return {ErrorKind::kDamaged, "this is neither a segment nor a stream of wal2lake frames"};
    }

    // Decides by the first bytes and gives them to the reader they belong to.
    Result<Done> Begin()
    {
        const std::string head = std::exchange(head_, {});
        std::string_view rest = head;
        if (LooksLikeSegment(head)) {
            kind_ = Kind::kSegment;
            printer_->Reset();
            segment_ = std::make_unique<SegmentReader>(
                [this](const MessageView& message, const BatchView&) {
                    return printer_->Print(message.batch);
                },
                read_part_);
            return FeedSegment(&rest);
        }
        if (after_segment_)
            return Error{ErrorKind::kDamaged, "bytes that are no segment follow the segment"};
        kind_ = Kind::kFrames;
        return FeedFrames(&rest);
    }

    Result<Done> FeedSegment(std::string_view* bytes)
    {
        size_t used = 0;
        auto fed = segment_->Feed(*bytes, &used);
        if (!fed.ok())
            return fed;
        bytes->remove_prefix(used);
        if (segment_->complete() && !bytes->empty()) {
            kind_ = Kind::kUnknown;
            after_segment_ = true;
        }
        return Done{};
    }

    Result<Done> FeedFrames(std::string_view* bytes)
    {
        frames_ += *bytes;
        *bytes = {};
        size_t position = 0;
        while (!printer_->closed()) {
            MessageView message;
            size_t consumed = 0;
            const ReadResult next =
                NextMessage(std::string_view(frames_).substr(position), &message, &consumed);
            if (next.damaged() && messages_ == 0)
                return Neither();
            if (next.damaged())
                return Error{ErrorKind::kDamaged, "offset " + std::to_string(offset_) + ": " + next.reason};
            position += consumed;
            offset_ += consumed;
            if (!next.ok())
                break;
            messages_++;
            auto printed = PrintMessage(message);
            if (!printed.ok())
                return printed;
        }
        frames_.erase(0, position);
        return Done{};
    }

    // What a stream holds of transactions in progress is shown when they commit.
    Result<Done> PrintMessage(const MessageView& message)
    {
        const auto staged = stage_.Take(message.whole);
        if (!staged.ok())
            return staged.error();
        if (!staged.value())
            return printer_->Print(message.batch);
        while (stage_.ready() && !printer_->closed()) {
            const auto next = stage_.Next();
            if (!next.ok())
                return next.error();
            MessageView view;
            size_t consumed = 0;
            if (next.value().empty())
                break;
            const ReadResult read = NextMessage(next.value(), &view, &consumed);
            if (!read.ok())
                return Error{ErrorKind::kDamaged, read.reason};
            auto printed = printer_->Print(view.batch);
            if (!printed.ok())
                return printed;
        }
        return Done{};
    }

    RecordPrinter* printer_;
    SegmentReader::ReadPart read_part_;
    Kind kind_ = Kind::kUnknown;
    std::string head_;
    bool after_segment_ = false;
    std::unique_ptr<SegmentReader> segment_;
    std::string frames_;
    Stage stage_;
    uint64_t offset_ = 0;
    uint64_t messages_ = 0;
};

ExitCode Complain(const std::string& path, const std::string& text, ExitCode code)
{
    std::fprintf(stderr, "wal2lake: %s: %s\n", path.c_str(), text.c_str());
    return code;
}

// A segment's place in a lake, <source>/log/<epoch>/<file>, tells where its parts are.
Result<std::string> ReadPartBeside(const std::string& path, const std::string& name, uint64_t offset,
                                   size_t length)
{
    const fs::path source = fs::absolute(path).parent_path().parent_path().parent_path();
    auto bytes = FileStore(source.string()).Get(name, offset, length);
    if (bytes.ok())
        return bytes;
    return Error{bytes.error().kind, "a part of this segment's transaction: " + bytes.error().text +
                                         "; name the segment where it lies in the lake"};
}

ExitCode CatDescriptor(int fd, const std::string& path, RecordPrinter* printer)
{
    Input input(printer, [&](const std::string& name, uint64_t offset, size_t length) {
        return ReadPartBeside(path, name, offset, length);
    });
    std::string piece(kPiece, '\0');
    while (!printer->closed()) {
        const ssize_t got = ::read(fd, piece.data(), piece.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return Complain(path, std::string("cannot be read: ") + std::strerror(errno), ExitCode::kStore);
        const auto fed = got > 0 ? input.Feed(std::string_view(piece).substr(0, static_cast<size_t>(got)))
                                 : input.Finish();
        if (!fed.ok() && !printer->closed())
            return Complain(path, fed.error().text, ExitCode::kLake);
        if (got == 0)
            break;
    }
    return ExitCode::kOk;
}

ExitCode CatFile(const std::string& path, RecordPrinter* printer)
{
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return Complain(path, std::string("cannot be opened: ") + std::strerror(errno), ExitCode::kStore);
    const ExitCode code = CatDescriptor(fd, path, printer);
    ::close(fd);
    return code;
}

// The lake that a file lies in, by its place, and its name there; both empty for a
// file that is elsewhere.
std::pair<std::string, std::string> PlaceInLake(const std::string& file)
{
    const fs::path path = fs::absolute(file).lexically_normal();
    const fs::path source = path.parent_path().parent_path().parent_path();
    const std::string name = path.lexically_relative(source.parent_path()).string();
    if (!ParseSegmentName(name))
        return {};
    return {source.parent_path().string(), name};
}

// Which files below a folder are not log any more.
class TrimmedFiles
{
  public:
    // `missed`: the file was listed and is not there.
    Result<bool> Covers(const std::string& file, bool missed)
    {
        const auto [root, name] = PlaceInLake(file);
        if (name.empty() || root == "/")
            return false;
        if (root != root_) {
            auto store = OpenStore("file://" + root);
            if (!store.ok())
                return store.error();
            root_ = root;
            store_ = std::move(store.value());
            marks_.emplace(store_.get());
        }
        auto covers = missed ? marks_->TookMeanwhile(name) : marks_->Covers(name);
        // Who may read the log but not what is beside it reads all of it.
        if (!covers.ok() && covers.error().kind != ErrorKind::kDamaged)
            return false;
        return covers;
    }

  private:
    std::string root_;
    std::unique_ptr<Store> store_;
    std::optional<TrimMarks> marks_;
};

// Every segment below a folder; the order of names is the order of the log.
std::vector<std::string> SegmentsBelow(const std::string& folder)
{
    std::vector<std::string> files;
    std::error_code error;
    fs::recursive_directory_iterator entries(folder, error);
    for (; !error && entries != fs::recursive_directory_iterator(); entries.increment(error)) {
        const fs::path& path = entries->path();
        if (path.extension() == ".w2l" && !path.filename().string().starts_with('.'))
            files.push_back(path.string());
    }
    std::sort(files.begin(), files.end());
    return files;
}

ExitCode CatFolder(const std::string& folder, bool follow, RecordPrinter* printer)
{
    std::set<std::string> seen;
    TrimmedFiles trimmed;
    for (;;) {
        for (const std::string& file : SegmentsBelow(folder)) {
            if (printer->closed())
                return ExitCode::kOk;
            if (!seen.insert(file).second)
                continue;
            const auto covered = trimmed.Covers(file, ::access(file.c_str(), F_OK) != 0);
            if (!covered.ok())
                return Complain(folder, covered.error().text, ExitCode::kLake);
            if (covered.value())
                continue;
            const ExitCode code = CatFile(file, printer);
            if (code != ExitCode::kOk)
                return code;
        }
        if (!follow || printer->closed())
            break;
        ::poll(nullptr, 0, kFollowMs);
    }
    if (seen.empty())
        return Complain(folder, "there is no segment in this folder", ExitCode::kLake);
    return ExitCode::kOk;
}

// What a URL names: a store, and what the names in it begin with. A segment, or a
// folder of a log, is looked at from its lake, where its parts are beside it.
struct LakePlace {
    std::string root;
    std::string prefix;
};

LakePlace PlaceOf(const std::string& url)
{
    constexpr std::string_view kLog = "/log";
    const size_t log = url.rfind(kLog);
    const size_t host = url.find("://") + 3;
    if (log == std::string::npos || (log + kLog.size() < url.size() && url[log + kLog.size()] != '/'))
        return {url, {}};
    const size_t slash = url.rfind('/', log - 1);
    if (slash == std::string::npos || slash < host)
        return {url, {}};
    return {url.substr(0, slash), url.substr(slash + 1)};
}

// `marks` where the object was listed: a trim may take it away before it is read.
ExitCode CatObject(Store& store, const std::string& name, const std::string& url, RecordPrinter* printer,
                   TrimMarks* marks = nullptr)
{
    Input input(printer, [&](const std::string& part, uint64_t offset, size_t length) {
        const size_t log = name.rfind("log/");
        return store.Get((log == std::string::npos ? std::string() : name.substr(0, log)) + part, offset,
                         length);
    });
    for (uint64_t offset = 0; !printer->closed();) {
        const auto piece = store.Get(name, offset, kPieceOfStore);
        if (marks != nullptr && offset == 0 && !piece.ok() && piece.error().kind == ErrorKind::kNotFound) {
            const auto took = marks->TookMeanwhile(name);
            if (took.ok() && took.value())
                return ExitCode::kOk;
        }
        if (!piece.ok())
            return Complain(url, piece.error().text, ExitCode::kStore);
        offset += piece.value().size();
        const bool last = piece.value().size() < kPieceOfStore;
        auto fed = input.Feed(piece.value());
        if (fed.ok() && last)
            fed = input.Finish();
        if (!fed.ok() && !printer->closed())
            return Complain(url, name + ": " + fed.error().text, ExitCode::kLake);
        if (last)
            break;
    }
    return ExitCode::kOk;
}

// One segment, or each of those whose names begin with that of the URL.
ExitCode CatStore(const std::string& url, const StoreOptions& options, RecordPrinter* printer)
{
    const LakePlace place = PlaceOf(url);
    auto store =
        OpenStore(place.root, options, [&](const std::string& text) { Complain(url, text, ExitCode::kOk); });
    if (!store.ok())
        return Complain(url, store.error().text, ExitCode::kUsage);
    if (url.ends_with(kSegmentEnding))
        return CatObject(*store.value(), place.prefix, url, printer);
    bool found = false;
    TrimMarks marks(store.value().get());
    std::string after;
    for (;;) {
        const auto page = store.value()->List(place.prefix, after, 1000);
        if (!page.ok())
            return Complain(url, page.error().text, ExitCode::kStore);
        for (const std::string& name : page.value().names) {
            after = name;
            if (!name.ends_with(kSegmentEnding))
                continue;
            const auto covered = marks.Covers(name);
            if (!covered.ok())
                return Complain(url, covered.error().text,
                                covered.error().kind == ErrorKind::kDamaged ? ExitCode::kLake
                                                                            : ExitCode::kStore);
            if (covered.value())
                continue;
            found = true;
            const ExitCode code = CatObject(*store.value(), name, url, printer, &marks);
            if (code != ExitCode::kOk || printer->closed())
                return code;
        }
        if (!page.value().more)
            break;
    }
    return found ? ExitCode::kOk : Complain(url, "there is no segment in this lake", ExitCode::kLake);
}

} // namespace

bool IsStoreUrl(const std::string& path)
{
    return path.find("://") != std::string::npos;
}

ExitCode RunCat(const CatOptions& options, const RecordPrinter::Emit& out)
{
    RecordPrinter printer(options.filter, out);
    std::error_code error;
    if (options.follow && (options.paths.size() != 1 || !fs::is_directory(options.paths[0], error)))
        return Complain("--follow", "needs exactly one folder", ExitCode::kUsage);
    if (options.paths.empty())
        return CatDescriptor(STDIN_FILENO, "standard input", &printer);
    for (const std::string& path : options.paths) {
        const ExitCode code = IsStoreUrl(path)                ? CatStore(path, options.store, &printer)
                              : fs::is_directory(path, error) ? CatFolder(path, options.follow, &printer)
                              : path == "-" ? CatDescriptor(STDIN_FILENO, "standard input", &printer)
                                            : CatFile(path, &printer);
        if (code != ExitCode::kOk)
            return code;
    }
    return ExitCode::kOk;
}

} // namespace wal2lake
