#include "store/reply_text.h"

namespace wal2lake
{
namespace
{

constexpr size_t kLongestLine = 200;
constexpr size_t kLongestWord = 64;

} // namespace

std::string HarmlessWord(std::string_view text)
{
    const bool harmless = text.size() <= kLongestWord && std::all_of(text.begin(), text.end(), [](char c) {
                              return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                     (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
                          });
    return harmless ? std::string(text) : std::string{};
}

std::string HarmlessLine(std::string_view text)
{
    std::string line;
    for (size_t at = 0; at < text.size() && line.size() < kLongestLine;) {
        const size_t end = std::min(text.find(' ', at), text.size());
        line += end - at > kLongestWord ? "..." : text.substr(at, end - at);
        if (end < text.size())
            line += ' ';
        at = end + 1;
    }
    line.resize(std::min(line.size(), kLongestLine));
    std::replace_if(
        line.begin(), line.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return line;
}

bool PassingStatus(int status)
{
    return status == 408 || status == 429 || status == 499 ||
           (status >= 500 && status < 600 && status != 501 && status != 505);
}

std::string AnswerSentence(const char* doing, const std::string& object, int status, const std::string& code,
                           const std::string& message)
{
    std::string text =
        std::string("cannot ") + doing + " " + object + ": the store answered " + std::to_string(status);
    if (!code.empty())
        text += " " + code;
    if (!message.empty())
        text += " (\"" + message + "\")";
    return text;
}

} // namespace wal2lake
