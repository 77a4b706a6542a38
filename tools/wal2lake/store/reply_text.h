// What may be shown of an answer that anybody may have written, and what all
// services mean by a status.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

namespace wal2lake
{

// A short word of letters, digits, '.', '-' and '_'; what holds anything else is
// dropped whole.
std::string HarmlessWord(std::string_view text);

// At most 200 characters in one line; what is not printable ASCII becomes '?', and a
// word of more than 64 characters "...": it could be a token or a signature that
// somebody quotes.
std::string HarmlessLine(std::string_view text);

// Larger answers are no refusals.
inline constexpr size_t kLargestRefusal = size_t{64} << 10;

// A status that passes by itself, whatever stands below it. 409 is for each store to
// judge.
bool PassingStatus(int status);

// "cannot read s3://bucket/name: the store answered 403 AccessDenied ("Denied")"; code
// and message may be empty.
std::string AnswerSentence(const char* doing, const std::string& object, int status, const std::string& code,
                           const std::string& message);

template <size_t N>
bool IsOneOf(std::string_view code, const std::string_view (&codes)[N])
{
    return std::find(std::begin(codes), std::end(codes), code) != std::end(codes);
}

} // namespace wal2lake
